"""Scores: how important each maskable weight is. One file per score; higher scores are kept."""

from collections.abc import Collection, Iterable
from typing import Any, TypeVar

from torch import Tensor, nn

from cops_core.errors import lookup
from cops_core.mask import Mask
from cops_core.scores.base import Score
from cops_core.scores.conventions import CONVENTIONS, Convention
from cops_core.scores.family import (
    FUNCTIONALS,
    KINDS,
    NAMED,
    AnyScore,
    Member,
    key_of,
    kind_of,
    member_of,
)
from cops_core.scores.fisher import FISHER
from cops_core.scores.gradient import GRADIENT
from cops_core.scores.grasp import GRASP, TEMPERATURE
from cops_core.scores.magnitude import MAGNITUDE
from cops_core.scores.problem import Loss, SampleLosses, pose
from cops_core.scores.prospr import PROSPR
from cops_core.scores.random import RANDOM
from cops_core.scores.rounds import RoundScores, scores_of
from cops_core.scores.snip import SNIP
from cops_core.scores.steps import STEPS, Steps
from cops_core.scores.synflow import SYNFLOW

# The caller's type of scores: for names, the result is keyed by names.
ScoreT = TypeVar("ScoreT", bound=AnyScore)

SCORES: dict[str, Score] = {
    "random": RANDOM,
    "magnitude": MAGNITUDE,
    "gradient": GRADIENT,
    "snip": SNIP,
    "grasp": GRASP,
    "synflow": SYNFLOW,
    "fisher": FISHER,
    "prospr": PROSPR,
}
OWN_SCORES = tuple(SCORES)
"""The project's own: `SCORES` may have those of plugins too."""


def find_score(
    score: AnyScore, convention: str = "paper", temperature: float = TEMPERATURE, steps: Steps = STEPS
) -> Score:
    """The object that computes a score under a convention.

    Args:
        score: A key of `SCORES`, or a member of the family.
        convention: A key of `CONVENTIONS`.
        temperature: Of scores that have one: GraSP, and members with its functional. Others are unchanged.
        steps: Of ProsPr. Others are unchanged.

    Returns:
        The score.

    Raises:
        InputError: An unknown score or convention.
    """
    rules = lookup("convention", convention, CONVENTIONS)
    if isinstance(score, Member):
        found: Score = score.score(rules.functionals)
    else:
        found = rules.scores.get(score) or lookup("score", score, SCORES)
    if temperature != TEMPERATURE:
        found = found.at_temperature(temperature) or found
    if steps != STEPS:
        found = found.with_steps(steps) or found
    return found


def has_temperature(score: AnyScore) -> bool:
    """Whether a score's temperature can be set: GraSP's, and that of members with its functional."""
    return find_score(score).at_temperature(TEMPERATURE) is not None


def has_steps(score: AnyScore) -> bool:
    """Whether a score looks ahead through steps of training that can be set: ProsPr."""
    return find_score(score).with_steps(STEPS) is not None


def published_rounds(score: AnyScore) -> int:
    """The number of rounds with which a score was published.

    Args:
        score: A key of `SCORES`, or a member of the family.

    Returns:
        See `Score.published_rounds`; 1 for members of the family.

    Raises:
        InputError: An unknown score.
    """
    return 1 if isinstance(score, Member) else lookup("score", score, SCORES).published_rounds


def compute_scores(
    scores: Iterable[ScoreT],
    model: nn.Module,
    batch: Any,
    *,
    seed: int,
    mask: Mask | None = None,
    revive: bool = False,
    convention: str = "paper",
    temperature: float = TEMPERATURE,
    steps: Steps = STEPS,
    weight_names: Collection[str] | None = None,
    loss: Loss | None = None,
    sample_losses: SampleLosses | None = None,
    example: Any = None,
) -> dict[ScoreT, dict[str, Tensor]]:
    """The scores of a model's prunable parameters.

    Scores of the same functional share its backward pass. The model (weights, buffers, `.grad`,
    `requires_grad`, modes) and the global random state are unchanged afterwards, also after an error; but do
    not use the model from another thread meanwhile.

    Args:
        scores: Keys of `SCORES`, or members of the family.
        model: The model.
        batch: In a trial images of shape (N, channels, height, width) and labels of shape (N,), on any
            device; else one batch or several of any kind (see `cops_core.scores.batches.batches_of`), or None
            if no score needs one. Scores without data use only the shape of the first one's inputs.
        seed: The trial's, in [0, 2**32).
        mask: If given, the masked network is scored, whose weights are zero outside the mask. The values of
            removed weights are then meaningless, unless `revive` is set.
        revive: Whether removed weights are scored, too: with the masked network's gradient and their value
            in `model`.
        convention: A key of `CONVENTIONS`; most imitate a widely used code base.
        temperature: Of GraSP, see `find_score`. Without effect on a loss that the caller gives.
        steps: Of ProsPr.
        weight_names: The scored parameters, by their first name; None for the convention's.
        loss: `loss(model, batch)`, a tensor of shape (); None for the mean cross-entropy of the model's
            output for (inputs, labels). The loss of several batches is the mean of theirs.
        sample_losses: `sample_losses(model, batch)`, of shape (N,): for Fisher, if there is a loss.
        example: The input for scores without data; None for that of the first batch.

    Returns:
        {score: {parameter name: values}}, in `named_parameters` order. Each tensor has its parameter's shape
        and device, is finite and detached.

    Raises:
        InputError: An unknown score, an empty batch, a mask of another model, a score that lacks what it
            needs, cannot be computed on this network, or whose values do not fit it; the message names it.
    """
    found = {score: find_score(score, convention, temperature, steps) for score in scores}
    prunable = lookup("convention", convention, CONVENTIONS).prunable
    problem = pose(
        model,
        batch,
        seed,
        mask,
        prunable=prunable,
        weight_names=weight_names,
        revive=revive,
        loss=loss,
        sample_losses=sample_losses,
        example=example,
    )
    return scores_of(problem, found)


def scores_in_rounds(
    scores: Iterable[ScoreT],
    model: nn.Module,
    *,
    seed: int,
    revive: bool = False,
    convention: str = "paper",
    temperature: float = TEMPERATURE,
    steps: Steps = STEPS,
    weight_names: Collection[str] | None = None,
    loss: Loss | None = None,
    sample_losses: SampleLosses | None = None,
    example: Any = None,
) -> RoundScores[ScoreT]:
    """The scores of a model's prunable parameters in the rounds of a selection, see `compute_scores`.

    Each round gives the same values as `compute_scores` with its mask. The model must not change in between.

    Args:
        scores: See `compute_scores`, as for all others.
        model: The model.
        seed: The trial's.
        revive: Whether removed weights are scored, too.
        convention: A key of `CONVENTIONS`.
        temperature: Of GraSP.
        steps: Of ProsPr.
        weight_names: The scored parameters.
        loss: The loss of a batch.
        sample_losses: The losses of a batch's samples.
        example: The input for scores without data.

    Returns:
        What computes them for one mask after another.

    Raises:
        InputError: See `compute_scores`.
    """
    found = {score: find_score(score, convention, temperature, steps) for score in scores}
    prunable = lookup("convention", convention, CONVENTIONS).prunable
    problem = pose(
        model,
        None,
        seed,
        prunable=prunable,
        weight_names=weight_names,
        loss=loss,
        sample_losses=sample_losses,
        example=example,
    )
    return RoundScores(found, problem, revive=revive)


__all__ = [
    "CONVENTIONS",
    "FUNCTIONALS",
    "KINDS",
    "NAMED",
    "OWN_SCORES",
    "SCORES",
    "STEPS",
    "TEMPERATURE",
    "AnyScore",
    "Convention",
    "Member",
    "RoundScores",
    "Score",
    "Steps",
    "compute_scores",
    "find_score",
    "has_steps",
    "has_temperature",
    "key_of",
    "kind_of",
    "member_of",
    "published_rounds",
    "scores_in_rounds",
]
