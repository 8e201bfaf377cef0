"""Rounds of scoring and selection, from all weights down to kappa of them; one-shot is one round.

After round k of n, kappa_k weights are left, kappa_n = kappa: D rho^(k/n) by the exponential schedule
of SynFlow (Tanaka et al., arXiv 2006.05467, Algorithm 1), or in equal steps. Every round computes all
scores anew on the masked network (zeros outside the mask, whatever the training arm) and solves the
problem of COPS anew. Removed weights leave the problem: levels and masks are those of the survivors
alone, so that a signed score's zeros cannot outrank live negative values. With `revive` they stay in
it: scored at theta0 with the masked network's gradient (de Jorge et al. 2021, "Progressive Skeletonization",
arXiv 2006.09081), they may come back.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cops_core.config import Schedule, Selection
from cops_core.cops import CopsPath, CopsSolution, cops_path, solve_cops
from cops_core.errors import InfeasibleError
from cops_core.mask import Mask, flatten, unflatten
from cops_core.scores import AnyScore, find_score
from cops_core.scoring import Batch, ScoreLayers, Scorer

PATH_LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def _exponential(size: int, density: float, kappa: int, share: float) -> float:
    """D rho^(k/n)."""
    return float(size * density**share)


def _linear(size: int, density: float, kappa: int, share: float) -> float:
    """D - (D - kappa) k/n."""
    return size - (size - kappa) * share


PRUNING_SCHEDULES: Mapping[Schedule, Callable[[int, float, int, float], float]] = {
    "exponential": _exponential,
    "linear": _linear,
}


@dataclass(frozen=True)
class Group:
    """Weights that share a budget: all of them, or those of one layer.

    places: of the group in the vector of all D weights. kappa: kept weights at the end; density: rho,
    their share, in [0, 1].
    """

    places: slice
    kappa: int
    density: float

    def budget(self, round_: int, rounds: int, schedule: Schedule = "exponential") -> int:
        """Kept weights after round `round_` of `rounds`, the first being 1."""
        if round_ == rounds:
            return self.kappa
        size: int = self.places.stop - self.places.start
        exact = PRUNING_SCHEDULES[schedule](size, self.density, self.kappa, round_ / rounds)
        return max(self.kappa, math.floor(exact + 0.5))


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
    scorer: Scorer, batches: Sequence[Batch], selection: Selection, groups: Mapping[str, Group]
) -> Rounds:
    """Score and select `selection.rounds` times.

    batches: one that serves every round, or one per round. groups: by name, covering all D weights
    in order. Scores that do not run the network are the same in every round, and computed once.
    Raises InfeasibleError where no mask meets the levels and the selection says that this ends the trial.
    """
    shapes = {name: parameter.shape for name, parameter in scorer.prunable.items()}
    keep = np.ones(sum(shape.numel() for shape in shapes.values()), dtype=bool)
    flat = _flattened(scorer.whole(selection.scores, batches[0]))
    moving = [score for score in selection.scores if find_score(score).traits.normalisation != "unused"]
    solutions: dict[str, CopsSolution] = {}
    paths: dict[str, CopsPath] = {}
    kappas = []
    for round_ in range(1, selection.rounds + 1):
        if round_ > 1 and moving:
            batch = batches[round_ - 1] if len(batches) > 1 else batches[0]
            mask = unflatten(keep, shapes)
            flat |= _flattened(scorer.masked(moving, batch, mask, revive=selection.revive))
        for name, group in groups.items():
            candidates = keep[group.places] if not selection.revive else np.ones_like(keep[group.places])
            places = group.places.start + np.flatnonzero(candidates)
            live = [flat[score][places] for score in selection.scores]
            kappa = group.budget(round_, selection.rounds, selection.schedule)
            solutions[name] = _solve(live, selection, kappa)
            if solutions[name].status == "infeasible":
                raise InfeasibleError(_infeasible(selection, name, round_, kappa))
            keep[places] = solutions[name].mask
            if selection.controls and round_ == selection.rounds:
                paths[name] = cops_path(
                    live[0], live[1:], kappa, PATH_LEVELS, kind=selection.level_kind, shrink=True
                )
        kappas.append(int(keep.sum()))
    return Rounds(unflatten(keep, shapes), solutions, paths, kappas)


def _flattened(scores: ScoreLayers) -> dict[AnyScore, np.ndarray]:
    """Each score as one vector of shape (D,)."""
    return {score: flatten(layers) for score, layers in scores.items()}


def _solve(flat: list[np.ndarray], selection: Selection, kappa: int) -> CopsSolution:
    """Levels that cannot be met together are shrunk to what can, unless they are to end the trial."""
    levels = [control.level for control in selection.controls]
    shrink = selection.if_infeasible == "shrink"
    return solve_cops(flat[0], flat[1:], kappa, levels, kind=selection.level_kind, shrink=shrink)


def _infeasible(selection: Selection, group: str, round_: int, kappa: int) -> str:
    levels = ", ".join(f"{control.score} {control.level:g}" for control in selection.controls)
    return f"no {kappa} weights meet the levels {levels} together ({group}, round {round_})"
