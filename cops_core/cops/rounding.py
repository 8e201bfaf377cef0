"""From the LP optimum to a mask of exactly kappa weights.

One control: of the weights tied at the threshold, as few high-control ones as the level needs.
More controls: the best way to round the fractional weights of the LP's vertex.
"""

from itertools import combinations, product

import numpy as np

from cops_core.cops.solution import Bools, Floats, Integers


def choose_ties(target: Floats, control: Floats, places: int, need: float) -> Bools:
    """Of n tied weights keep `places`: the t highest and the places - t lowest in the control.

    target, control: shape (n,), of the tied weights in index order. t is the smallest for which
    the chosen control sums to `need`; if none does, t = places. Equal controls: the higher target,
    then the lower index. A step from t to t + 1 never lowers the control kept.
    """
    order = np.lexsort((-target, control))
    ascending = control[order]
    front = np.concatenate(([0.0], np.cumsum(ascending[:places])))
    back = np.concatenate(([0.0], np.cumsum(ascending[::-1][:places])))
    enough = np.flatnonzero(front[::-1] + back >= need)
    t = int(enough[0]) if enough.size else places
    chosen = np.zeros(order.size, dtype=bool)
    chosen[: places - t] = True
    chosen[order.size - t :] = True
    block = np.concatenate(([0], np.cumsum(np.diff(ascending) != 0)))
    starts = np.flatnonzero(np.concatenate(([True], np.diff(block) != 0)))
    taken = np.bincount(block, weights=chosen).astype(np.intp)
    first = np.arange(order.size) - starts[block] < taken[block]
    keep = np.zeros(order.size, dtype=bool)
    keep[order[first]] = True
    return keep


def choose_swaps(control: Floats, layers: Integers, lowest: Bools, highest: Bools, need: float) -> Bools:
    """The mask on the way from `lowest` to `highest` that gains `need` after the fewest swaps.

    Both are best masks of the same combined score, under floors. control, layers, lowest, highest:
    shape (n,). A swap exchanges two weights of one layer where it can: every mask on the way then
    has layer counts between those of its ends, and so respects the floors.
    """
    leaving, entering = _paired(control, layers, lowest & ~highest, highest & ~lowest)
    gains = np.concatenate(([0.0], np.cumsum(control[entering] - control[leaving])))
    enough = np.flatnonzero(gains >= need)
    swaps = int(enough[0]) if enough.size else leaving.size
    keep = lowest.copy()
    keep[leaving[:swaps]] = False
    keep[entering[:swaps]] = True
    return keep


def _paired(control: Floats, layers: Integers, low: Bools, high: Bools) -> tuple[Integers, Integers]:
    """Pair the weights of `low` with those of `high`: within layers first, highest controls first."""
    none = np.zeros(0, dtype=np.intp)
    leaving, entering, left_over, left_free = [none], [none], [none], [none]
    for layer in np.unique(layers[low | high]):
        inside = layers == layer
        out = _by_control(control, np.flatnonzero(low & inside))
        into = _by_control(control, np.flatnonzero(high & inside))
        pairs = min(out.size, into.size)
        leaving.append(out[:pairs])
        entering.append(into[:pairs])
        left_over.append(out[pairs:])
        left_free.append(into[pairs:])
    return np.concatenate([*leaving, *left_over]), np.concatenate([*entering, *left_free])


def _by_control(control: Floats, members: Integers) -> Integers:
    return members[np.argsort(-control[members], kind="stable")]


def round_vertex(scores: Floats, levels: Floats, shares: Floats, groups: Integers, base: Floats) -> Bools:
    """Round the fractional weights of a vertex, each group to the places it holds.

    scores: shape (J + 1, f), of the f fractional weights; levels: shape (J,); shares: shape (f,),
    in (0, 1), summing to a whole number within each group; groups: shape (f,); base: shape
    (J + 1,), the sums over the weights that are kept whole. Of all ways the one that falls least
    short of a level, relative to the range of that control over the fractional weights; then the
    one with the highest target. Any way falls short of level j by at most
    floor(f_g / 2) * (max omega_j - min omega_j), summed over the groups g of f_g weights.
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    ways = product(*(combinations(inside, round(float(shares[inside].sum()))) for inside in members))
    spread = np.ptp(scores[1:], axis=1) if scores.shape[1] else np.zeros(levels.size)
    spread[spread == 0] = 1.0
    best = np.zeros(shares.size, dtype=bool)
    merit = (-np.inf, -np.inf)
    for way in ways:
        keep = np.zeros(shares.size, dtype=bool)
        keep[[weight for part in way for weight in part]] = True
        sums = base + scores[:, keep].sum(axis=1)
        shortfall = float(np.max((levels - sums[1:]) / spread, initial=0.0))
        if (-max(shortfall, 0.0), float(sums[0])) > merit:
            merit = (-max(shortfall, 0.0), float(sums[0]))
            best = keep
    return best
