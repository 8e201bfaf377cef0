"""Scores computed on a posed problem: once, or again in the rounds of a selection."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from cops_core.errors import InputError
from cops_core.scores.base import Score
from cops_core.scores.batches import batches_of
from cops_core.scores.border import check_unchanged, checked_values
from cops_core.scores.failure import failure
from cops_core.scores.problem import Problem

KeyT = TypeVar("KeyT")


def scores_of(problem: Problem, scores: Mapping[KeyT, Score]) -> dict[KeyT, dict[str, Tensor]]:
    """Each score's values, checked. Scores of the same functional share its backward pass.

    Args:
        problem: The problem.
        scores: The scores by key.

    Returns:
        {key: {parameter name: values}}, see `cops_core.scores.compute_scores`.

    Raises:
        InputError: See `cops_core.scores.compute_scores`.
    """
    values = {}
    later = list(scores)
    for key, score in scores.items():
        values[key] = _values(str(key), score, problem)
        del later[0]
        # A gradient takes as much memory as the network.
        problem.forget([getattr(scores[other], "functional", None) for other in later])
    return values


class RoundScores(Generic[KeyT]):
    """Scores of a network that loses weights from round to round.

    What depends on the network only is computed in the first round: its parts, its inputs, its copy in
    float64. The model must not change between rounds.

    Args:
        scores: The scores by key.
        problem: The problem of the whole network.
        revive: Whether removed weights are scored, too, and may come back.
    """

    def __init__(self, scores: Mapping[KeyT, Score], problem: Problem, *, revive: bool) -> None:
        self._scores = scores
        self._problem = problem
        self._revive = revive
        self._batch: Any = None

    def compute(
        self, batch: Any, mask: Mapping[str, Tensor], removed: Mapping[str, Tensor] | None
    ) -> dict[KeyT, dict[str, Tensor]]:
        """The scores in one round.

        Args:
            batch: See `cops_core.scores.compute_scores`; the same object in rounds with the same batch.
            mask: The weights that are left, by parameter name.
            removed: The places, in their flattened parameter, of those that were left in the round before and
                are not any more, by parameter name; None if weights have come back.

        Returns:
            {key: {parameter name: values}}, see `cops_core.scores.compute_scores`.

        Raises:
            InputError: See `cops_core.scores.compute_scores`.
        """
        batches = None if batch is self._batch else batches_of(batch)
        self._batch = batch
        self._problem = self._problem.in_round(mask, removed, revive=self._revive, batches=batches)
        return scores_of(self._problem, self._scores)


def _values(name: str, score: Score, problem: Problem) -> dict[str, Tensor]:
    """A score's values, checked: the score may be a plugin's."""
    try:
        values = score.compute(problem)
    except (InputError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise failure(name, problem, error) from error
    check_unchanged(name, problem)
    return checked_values(name, values, problem, signed=score.traits.signed)
