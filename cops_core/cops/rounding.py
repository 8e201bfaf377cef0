"""From the LP optimum to a mask of exactly kappa weights.

One control: of the weights tied at the threshold, as few with a high control as the level needs.
Several controls: the best rounding of the fractional weights of the LP's vertex.
"""

from itertools import combinations, product

import numpy as np

from cops_core.cops.solution import Bools, Floats, Integers


def choose_ties(target: Floats, control: Floats, places: int, need: float) -> Bools:
    """Keep some of n tied weights: the t highest and the places - t lowest in the control.

    t is the smallest number for which the kept control sums to `need`; if there is none, t = places. A step
    from t to t + 1 never reduces this sum. Of weights with equal controls those with the higher target are
    kept, then those with the lower index.

    Args:
        target: Of the tied weights in index order, shape (n,).
        control: Of the same weights, shape (n,).
        places: The number of weights to keep, in [0, n].
        need: The required sum of the control.

    Returns:
        The kept weights, shape (n,).
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
    """The mask between two best masks that gains `need` with the fewest swaps.

    A swap exchanges two weights of one layer if possible: the layer counts of all masks on the way are then
    between those of the two masks, so they respect the floors.

    Args:
        control: Shape (n,).
        layers: The layer of each weight, shape (n,).
        lowest: The best mask with the lowest sum of the control, shape (n,).
        highest: A best mask of the same combined score with the highest sum of the control, shape (n,).
        need: The required increase of the sum.

    Returns:
        The mask, shape (n,).
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
    """Round the f fractional weights of a vertex, each group to its whole number of places.

    Of all roundings this is the one with the smallest shortfall of any level, relative to the range of that
    control over the fractional weights; then the one with the highest target. The shortfall of level j is at
    most floor(f_g / 2) * (max omega_j - min omega_j), summed over the groups g of f_g weights.

    Args:
        scores: Of the fractional weights, shape (J + 1, f).
        levels: c, shape (J,).
        shares: In (0, 1), summing to a whole number within each group, shape (f,).
        groups: The group of each weight, shape (f,).
        base: The sums over the weights whose share is 1, shape (J + 1,).

    Returns:
        The kept ones of the fractional weights, shape (f,).
    """
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    ways = product(*(combinations(inside, round(float(shares[inside].sum()))) for inside in members))
    spread = np.ptp(scores[1:], axis=1) if scores.shape[1] else np.zeros(levels.size)
    spread[spread == 0] = 1.0
    best = np.zeros(shares.size, dtype=bool)
    quality = (-np.inf, -np.inf)
    for way in ways:
        keep = np.zeros(shares.size, dtype=bool)
        keep[[weight for part in way for weight in part]] = True
        sums = base + scores[:, keep].sum(axis=1)
        shortfall = float(np.max((levels - sums[1:]) / spread, initial=0.0))
        if (-max(shortfall, 0.0), float(sums[0])) > quality:
            quality = (-max(shortfall, 0.0), float(sums[0]))
            best = keep
    return best
