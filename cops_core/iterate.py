"""Rounds of scoring and selection, from all weights down to kappa of them; one-shot is one round.

After round k of n, kappa_k = floor(D rho^(k/n) + 1/2) weights are left, kappa_n = kappa: the
exponential schedule of SynFlow (Tanaka et al., arXiv 2006.05467, Algorithm 1). Every round computes
all scores anew on the masked network (zeros outside the mask, whatever the training arm) and solves
the problem of COPS anew. Removed weights leave the problem: levels and masks are those of the
survivors alone, so that a signed score's zeros cannot outrank live negative values.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from cops_core.config import Selection
from cops_core.cops import CopsPath, CopsSolution, cops_path, solve_cops
from cops_core.initialization import maskable
from cops_core.mask import Mask, flatten, unflatten
from cops_core.scores import compute_scores

PATH_LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Group:
    """Weights that share a budget: all of them, or those of one layer.

    places: of the group in the vector of all D weights. kappa: kept weights at the end; density: rho,
    their share, in [0, 1].
    """

    places: slice
    kappa: int
    density: float

    def budget(self, round_: int, rounds: int) -> int:
        """Kept weights after round `round_` of `rounds`, the first being 1."""
        if round_ == rounds:
            return self.kappa
        size: int = self.places.stop - self.places.start
        share: float = self.density ** (round_ / rounds)
        return max(self.kappa, math.floor(size * share + 0.5))


@dataclass(frozen=True)
class Rounds:
    """What the rounds gave: the mask, kappa after each round, and by group the last round's solutions.

    paths: by group, where there are controls: what the target keeps against what the controls keep,
    with all levels at each of `PATH_LEVELS` together (the price of control).
    """

    mask: Mask
    solutions: dict[str, CopsSolution]
    paths: dict[str, CopsPath]
    kappas: list[int]


def run_rounds(
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    selection: Selection,
    groups: Mapping[str, Group],
    seed: int,
) -> Rounds:
    """Score and select `selection.rounds` times. The same scoring batch serves every round.

    groups: by name, covering all D weights in order.
    """
    shapes = {name: weight.shape for name, weight in maskable(model).items()}
    size = sum(shape.numel() for shape in shapes.values())
    mask, keep = None, np.ones(size, dtype=bool)
    solutions: dict[str, CopsSolution] = {}
    paths: dict[str, CopsPath] = {}
    kappas = []
    for round_ in range(1, selection.rounds + 1):
        scores = compute_scores(selection.scores, model, batch, seed=seed, mask=mask)
        flat = [flatten(scores[name]) for name in selection.scores]
        for name, group in groups.items():
            survivors = group.places.start + np.flatnonzero(keep[group.places])
            live = [score[survivors] for score in flat]
            kappa = group.budget(round_, selection.rounds)
            solutions[name] = _solve(live, selection, kappa)
            keep[survivors] = solutions[name].mask
            if selection.controls and round_ == selection.rounds:
                paths[name] = cops_path(
                    live[0], live[1:], kappa, PATH_LEVELS, kind=selection.level_kind, shrink=True
                )
        mask = unflatten(keep, shapes)
        kappas.append(mask.kappa)
    assert mask is not None
    return Rounds(mask, solutions, paths, kappas)


def _solve(flat: list[np.ndarray], selection: Selection, kappa: int) -> CopsSolution:
    """Levels that cannot be met together are shrunk to what can."""
    levels = [control.level for control in selection.controls]
    return solve_cops(flat[0], flat[1:], kappa, levels, kind=selection.level_kind, shrink=True)
