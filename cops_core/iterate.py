"""Rounds of scoring and selection, from all weights down to kappa of them; one-shot is one round.

After round k of n, kappa_k weights are left, kappa_n = kappa: D rho^(k/n) by the exponential schedule of
SynFlow (Tanaka et al., arXiv 2006.05467, Algorithm 1), or in equal steps. Each round computes all scores on
the masked network again (zeros outside the mask, for every training arm), and solves the COPS problem
again. Removed weights leave the problem: levels and masks depend on the remaining weights only, so that the
zeros of a signed score do not outrank negative values. With `revive`, removed weights stay in the problem
and may come back: they are scored at theta0 with the masked network's gradient (de Jorge et al. 2021,
"Progressive Skeletonization", arXiv 2006.09081). Floors hold after every round.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from cops_core.combine import choose, choose_quickly
from cops_core.config import Selection
from cops_core.cops import CopsPath, CopsSolution, cops_path
from cops_core.errors import InfeasibleError
from cops_core.groups import Group
from cops_core.mask import Mask, flatten_away
from cops_core.memory import give_back
from cops_core.remaining import Remaining
from cops_core.scores import AnyScore, RoundScores, find_score
from cops_core.scoring import Batch, Scorer

PATH_LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Rounds:
    """The result of all rounds.

    Attributes:
        mask: The final mask.
        solutions: The last round's solution of each group; of a layer that was emptied before, that round's.
            A union of scores has none.
        paths: By group, if there are levels and it was requested: the target's kept sum against the
            controls' (the price of control), with all levels equal to each of `PATH_LEVELS` in turn.
        kappas: The number of kept weights after each round.
        ranking: With the ablation "invert": of all D weights, the score whose highest the first round kept.
    """

    mask: Mask
    solutions: dict[str, CopsSolution]
    paths: dict[str, CopsPath]
    kappas: list[int]
    ranking: np.ndarray | None = None


def run_rounds(
    scorer: Scorer,
    batches: Sequence[Batch],
    selection: Selection,
    groups: Mapping[str, Group],
    *,
    priced: bool = True,
    retrain: Callable[[Mask], None] | None = None,
) -> Rounds:
    """Score and select `selection.rounds` times.

    Scores that do not run the network are the same in every round and computed once, unless it is trained.

    Args:
        scorer: Scores the model.
        batches: One for all rounds, or one per round.
        selection: How the weights are chosen.
        groups: By name, covering all D weights in order.
        priced: Whether `Rounds.paths` is computed.
        retrain: Called before each round but the first, with what is left: trains the scorer's model, whose
            removed weights are zero afterwards.

    Returns:
        The mask and how it was found.

    Raises:
        InfeasibleError: No mask meets the levels, and `selection.if_infeasible` is "end".
    """
    shapes = {name: parameter.shape for name, parameter in scorer.prunable.items()}
    remaining = Remaining(shapes, revive=selection.revive)
    flat = _flattened(dict(scorer.whole(selection.scores, batches[0])))
    moving = [
        score
        for score in selection.scores
        if retrain is not None or find_score(score).traits.normalisation != "unused"
    ]
    scoring: RoundScores[AnyScore] | None = None
    levelled = priced and bool(selection.controls) and selection.combine == "cops"
    solutions: dict[str, CopsSolution] = {}
    starts: dict[str, np.ndarray] = {}
    paths: dict[str, CopsPath] = {}
    size = sum(shape.numel() for shape in shapes.values())
    ranking = np.empty(size) if selection.ablation == "invert" else None
    kappas = []
    for round_ in range(1, selection.rounds + 1):
        last = round_ == selection.rounds
        if round_ > 1 and moving:
            batch = batches[round_ - 1] if len(batches) > 1 else batches[0]
            if retrain is not None:
                retrain(remaining.mask())
                scoring = None  # what it has computed depends on the weights
            scoring = scoring or scorer.rounds(moving, revive=selection.revive)
            scores = scoring.compute(batch, remaining.layers(), remaining.removed())
            for score in moving:
                flat[score] = flatten_away(scores.pop(score), into=flat[score])
        for name, group in groups.items():
            if not remaining.candidates(group.places):  # a layer that an earlier round has emptied
                continue
            left = remaining.left(group.places)
            live = [flat[score][group.places][left] for score in selection.scores]
            floors = None if group.floors is None else group.floors.of(left)
            kappa = group.budget(round_, selection.rounds, selection.schedule)
            start, choice = starts.get(name), None
            if kappa and not last:  # a later round's solution is recorded
                choice = choose_quickly(live, selection, kappa, floors, start)
            choice = choice or choose(live, selection, kappa, floors, start)
            if choice.multipliers is not None:
                starts[name] = choice.multipliers
            if choice.solution is not None:
                solutions[name] = choice.solution
                if choice.solution.status == "infeasible":
                    raise InfeasibleError(_infeasible(selection, name, round_, kappa))
            remaining.choose(group.places, choice.keep, last=last)
            if ranking is not None and round_ == 1:
                ranking[group.places] = choice.ranking(live)
            if levelled and last:
                paths[name] = cops_path(
                    live[0],
                    live[1:],
                    kappa,
                    PATH_LEVELS,
                    kind=selection.level_kind,
                    shrink=True,
                    layers=None if floors is None else floors.owners,
                    floors=None if floors is None else floors.least,
                )
        kappas.append(remaining.kappa)
    return Rounds(remaining.mask(), solutions, paths, kappas, ranking)


def _flattened(scores: dict[AnyScore, Mapping[str, Tensor]]) -> dict[AnyScore, np.ndarray]:
    """Each score as one vector of shape (D,); `scores` is emptied, so that nothing is in memory twice."""
    flat: dict[AnyScore, np.ndarray] = {}
    for score in list(scores):
        layers = dict(scores.pop(score))
        size = sum(layer.numel() for layer in layers.values())
        give_back(size)
        flat[score] = flatten_away(layers)
        give_back(size)
    return flat


def _infeasible(selection: Selection, group: str, round_: int, kappa: int) -> str:
    levels = ", ".join(f"{control.score} {control.level:g}" for control in selection.controls)
    return f"no {kappa} weights meet the levels {levels} together ({group}, round {round_})"
