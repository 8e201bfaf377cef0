"""Scores: how much each maskable weight matters. One file per score, higher = keep."""

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from cops_core.errors import InputError, lookup
from cops_core.mask import Mask, Scores
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
from cops_core.scores.grasp import GRASP
from cops_core.scores.magnitude import MAGNITUDE
from cops_core.scores.problem import pose
from cops_core.scores.random import RANDOM
from cops_core.scores.snip import SNIP
from cops_core.scores.synflow import SYNFLOW

# A caller's own kind of scores: of names alone, names come back.
ScoreT = TypeVar("ScoreT", bound=AnyScore)

SCORES: dict[str, Score] = {
    "random": RANDOM,
    "magnitude": MAGNITUDE,
    "gradient": GRADIENT,
    "snip": SNIP,
    "grasp": GRASP,
    "synflow": SYNFLOW,
    "fisher": FISHER,
}


def find_score(score: AnyScore, convention: str = "paper") -> Score:
    """What computes a score under a convention. Raises InputError for a name that is not there."""
    rules = lookup("convention", convention, CONVENTIONS)
    if isinstance(score, Member):
        return score.score(rules.functionals)
    return rules.scores.get(score) or lookup("score", score, SCORES)


def compute_scores(
    scores: Iterable[ScoreT],
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    *,
    seed: int,
    mask: Mask | None = None,
    revive: bool = False,
    convention: str = "paper",
) -> dict[ScoreT, dict[str, Tensor]]:
    """{score: {parameter name: values}} over the prunable parameters, in `named_parameters` order.

    scores: keys of SCORES, or members of the family. batch: images of shape (N, channels, height,
    width) and labels of shape (N,), on any device; data-free scores use the image shape only.
    seed: the trial's, in [0, 2**32).
    mask: scores are those of the masked network, whose weights are zero outside the mask; the
    values given to removed weights have no meaning, unless they may `revive`: then these too are
    scored with the masked network's gradient, but with their value in `model`.
    convention: a key of CONVENTIONS; all but `paper` imitate what a widely used code base does.

    Each tensor has its parameter's shape and device, is finite and detached. Scores of the same
    functional share its backward pass. The model (weights, buffers, `.grad`, `requires_grad`,
    modes) and the global random state are afterwards what they were, also after an error; but do
    not use the model from another thread meanwhile.

    Raises InputError for an unknown score, an empty batch, a mask of another model, or a score
    that is not finite.
    """
    found = {score: find_score(score, convention) for score in scores}
    prunable = lookup("convention", convention, CONVENTIONS).prunable
    problem = pose(model, batch, seed, mask, prunable=prunable, revive=revive)
    values = {score: dict(computed.compute(problem)) for score, computed in found.items()}
    for score, layers in values.items():
        check_finite(str(score), layers)
    return values


def check_finite(score: str, layers: Scores) -> None:
    """Raise InputError if a value of `score` is NaN or infinite: it could not be ranked."""
    # A finite sum has finite terms, and costs one pass. One transfer for all layers: on a GPU each
    # question asked of it waits for it.
    if bool(torch.stack([layer.sum() for layer in layers.values()]).isfinite().all()):
        return
    finite = torch.stack([layer.isfinite().all() for layer in layers.values()]).tolist()
    broken = [name for name, good in zip(layers, finite, strict=True) if not good]
    if broken:
        raise InputError(
            f"score {score!r} is not finite in {', '.join(broken)}:"
            " check the weights and images for NaN and overflow"
        )


__all__ = [
    "CONVENTIONS",
    "FUNCTIONALS",
    "KINDS",
    "NAMED",
    "SCORES",
    "AnyScore",
    "Convention",
    "Member",
    "Score",
    "compute_scores",
    "find_score",
    "key_of",
    "kind_of",
    "member_of",
]
