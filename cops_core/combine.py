"""How a target and its controls become one mask: by COPS, or by what COPS must be compared with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cops_core.config import Combine, Selection
from cops_core.cops import CopsSolution, solve_cops
from cops_core.cops.near import mask_near
from cops_core.cops.selection import best_mask
from cops_core.floors import Floors
from cops_core.mask import top_kappa

Scores = Sequence[np.ndarray]

Start = np.ndarray | None


@dataclass(frozen=True, eq=False)
class Choice:
    """The kept ones of n weights.

    Attributes:
        keep: Shape (n,), exactly kappa true.
        solution: The certificate, if this is the optimum of a problem.
        multipliers: Those of the controls, shape (J,), if they are a result.
        first: Shape (n,), of a union: the weights that a control chose.
    """

    keep: np.ndarray
    solution: CopsSolution | None = None
    multipliers: np.ndarray | None = None
    first: np.ndarray | None = None

    def ranking(self, scores: Scores) -> np.ndarray:
        """The one score whose highest weights are kept: the target, with controls s(lambda).

        Args:
            scores: Those from which was chosen, each of shape (n,).

        Returns:
            Shape (n,). The weights that a control chose for a union are infinitely high.
        """
        if self.first is not None:
            return np.where(self.first, np.inf, scores[0])
        prices = [] if self.multipliers is None else self.multipliers.tolist()
        total = scores[0].astype(np.float64)
        for price, score in zip(prices, scores[1:], strict=False):
            total += np.multiply(price, score, dtype=np.float64)
        return total


def choose(
    scores: Scores, selection: Selection, kappa: int, floors: Floors | None, start: Start = None
) -> Choice:
    """Choose kappa weights.

    Args:
        scores: The target and the controls, each of shape (n,).
        selection: How they are combined.
        kappa: In [0, n].
        floors: Of these weights, or None.
        start: Multipliers near which those of COPS are expected, see `solve_cops`.

    Returns:
        The choice. With COPS its solution may be infeasible, if the selection's `if_infeasible` is "end".
    """
    return COMBINATIONS[selection.combine](scores, selection, kappa, floors, start)


def choose_quickly(
    scores: Scores, selection: Selection, kappa: int, floors: Floors | None, start: Start = None
) -> Choice | None:
    """The same mask as that of `choose`, without a certificate, where that is much faster.

    Args:
        scores: The target and the controls, each of shape (n,).
        selection: How they are combined.
        kappa: In [1, n].
        floors: Of these weights, or None.
        start: See `choose`.

    Returns:
        The choice, or None.
    """
    if not selection.controls:
        return Choice(top_kappa(scores[0], kappa) if floors is None else _best(scores[:1], kappa, floors))
    near = (
        len(selection.controls) == 1
        and selection.combine == "cops"
        and selection.level_kind == "relative"
        and floors is None
    )
    if start is None or not near:
        return None
    found = mask_near(scores[0], scores[1], kappa, selection.controls[0].level, float(start[0]))
    return None if found is None else Choice(found.keep, multipliers=np.array([found.multiplier]))


def cops(
    scores: Scores, selection: Selection, kappa: int, floors: Floors | None, start: Start = None
) -> Choice:
    """Controls with levels; infeasible ones are shrunk to feasible ones, unless they end the trial."""
    levels = [control.level for control in selection.controls]
    shrink = selection.if_infeasible == "shrink"
    return _solved(scores, kappa, levels, floors, kind=selection.level_kind, shrink=shrink, start=start)


def weighted(
    scores: Scores, selection: Selection, kappa: int, floors: Floors | None, start: Start = None
) -> Choice:
    """The highest sum of the scores, each divided by its absolute sum and multiplied by its weight.

    The controls' levels are their weights, and the target has the rest of 1.
    """
    del start  # the prices are given
    rest = 1.0 - sum(control.level for control in selection.controls)
    prices = [control.level / rest for control in selection.controls]
    return _solved(scores, kappa, prices, floors, kind="price", shrink=False)


def union(
    scores: Scores, selection: Selection, kappa: int, floors: Floors | None, start: Start = None
) -> Choice:
    """A part of the budget for each score: the controls' highest, filled up by the target.

    The controls' levels are their parts of kappa, rounded down. What two scores both choose counts once.
    Floors come first: they may leave no room for all that the controls chose.
    """
    del start
    first = np.zeros(scores[0].size, dtype=bool)
    for control, score in zip(selection.controls, scores[1:], strict=True):
        first |= _best((score, *scores), int(Fraction(str(control.level)) * kappa), None)
    return Choice(_best((first.astype(np.float64), *scores), kappa, floors), first=first)


COMBINATIONS: Mapping[Combine, Callable[[Scores, Selection, int, Floors | None, Start], Choice]] = {
    "cops": cops,
    "weighted": weighted,
    "union": union,
}


def _solved(
    scores: Scores,
    kappa: int,
    levels: list[float],
    floors: Floors | None,
    *,
    kind: str,
    shrink: bool,
    start: Start = None,
) -> Choice:
    solution = solve_cops(
        scores[0],
        scores[1:],
        kappa,
        levels,
        kind=kind,
        shrink=shrink,
        layers=None if floors is None else floors.owners,
        floors=None if floors is None else floors.least,
        start=start,
    )
    return Choice(np.asarray(solution.mask), solution, solution.multipliers)


def _best(keys: Scores, kappa: int, floors: Floors | None) -> np.ndarray:
    """The best mask by the first key, ties by the others, then by the lower index."""
    if floors is None:
        return best_mask(tuple(keys), kappa, None, np.zeros(1, dtype=np.intp))
    return best_mask(tuple(keys), kappa, floors.owners, floors.least)
