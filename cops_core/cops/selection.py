"""The best masks of one combined score, with floors: one selection (`partition`), no sorting.

For a fixed score s the best mask keeps the n_l highest of each layer l, and then the highest of all others
(a matroid, so greedy is optimal). Its thresholds are tau for the others, and min(tau, the n_l-th highest of
layer l) for layer l.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cops_core.cops.solution import Bools, Floats, Integers
from cops_core.order_statistic import nth_lowest


def kth_highest(values: npt.NDArray[np.floating], rank: int) -> float:
    """The rank-th highest value.

    Args:
        values: Shape (n,).
        rank: 1 is the highest.

    Returns:
        The value; infinity for rank 0 and below, -infinity above n.
    """
    if rank <= 0:
        return np.inf
    if rank > values.size:
        return -np.inf
    return float(nth_lowest(values, values.size - rank))


def thresholds(
    values: Floats, places: int, layers: Integers | None, floors: Integers
) -> tuple[float, Floats]:
    """The thresholds of the best mask.

    Args:
        values: The combined score, shape (n,).
        places: The number of weights to keep.
        layers: The layer of each weight, shape (n,), or None without floors.
        floors: The minimum number of kept weights of each layer, shape (L,), summing to at most `places`.

    Returns:
        tau, and the threshold of each layer, shape (L,), which is lower than tau where the floor is active.
        tau is infinite if the floors use all places.
    """
    if layers is None or not floors.any():
        tau = kth_highest(values, places)
        return tau, np.full(floors.size, tau)
    free = np.ones(values.size, dtype=bool)
    own = np.full(floors.size, np.inf)
    for layer, members in _members(layers, floors):
        best = members[_highest((values[members],), int(floors[layer]))]
        own[layer] = values[best].min()
        free[best] = False
    tau = kth_highest(values[free], places - int(floors.sum()))
    return tau, np.minimum(own, tau)


def best_mask(keys: tuple[Floats, ...], places: int, layers: Integers | None, floors: Integers) -> Bools:
    """The best mask by keys[0], ties by keys[1] and so on, then by the lower index.

    Args:
        keys: Arrays of shape (n,).
        places: The number of weights to keep.
        layers: The layer of each weight, shape (n,), or None without floors.
        floors: The minimum number of kept weights of each layer, shape (L,).

    Returns:
        Shape (n,), exactly `places` true.
    """
    keep = np.zeros(keys[0].size, dtype=bool)
    if layers is None or not floors.any():
        keep[_highest(keys, places)] = True
        return keep
    for layer, members in _members(layers, floors):
        keep[members[_highest(tuple(key[members] for key in keys), int(floors[layer]))]] = True
    others = np.flatnonzero(~keep)
    rest = places - int(floors.sum())
    keep[others[_highest(tuple(key[others] for key in keys), rest)]] = True
    return keep


def _members(layers: Integers, floors: Integers) -> Iterator[tuple[int, Integers]]:
    """The layers that have a floor, each with the indices of its weights; there may be thousands of them."""
    order = np.argsort(layers, kind="stable")
    counts = np.bincount(layers, minlength=floors.size)
    starts = np.cumsum(counts) - counts
    for layer in np.flatnonzero(floors).tolist():
        yield layer, order[starts[layer] : starts[layer] + counts[layer]]


def _highest(keys: tuple[Floats, ...], places: int) -> Integers:
    """The indices of the `places` highest, unordered."""
    if places == 0:
        return np.zeros(0, dtype=np.intp)
    if places == keys[0].size:
        return np.arange(places)
    threshold = kth_highest(keys[0], places)
    above = np.flatnonzero(keys[0] > threshold)
    tied = np.flatnonzero(keys[0] == threshold)
    missing = places - above.size
    if missing == tied.size or len(keys) == 1:
        return np.concatenate([above, tied[:missing]])
    return np.concatenate([above, tied[_highest(tuple(key[tied] for key in keys[1:]), missing)]])
