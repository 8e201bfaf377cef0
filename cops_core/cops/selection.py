"""The best masks of one combined score, with floors: one selection (`partition`), no sorting.

For a fixed score s the best mask keeps the n_l highest of each layer l, and then the highest of all others
(a matroid, so greedy is optimal). Its thresholds are tau for the others, and min(tau, the n_l-th highest of
layer l) for layer l.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cops_core.cops.solution import Bools, Floats, Integers
from cops_core.order_statistic import nth_lowest

SORTED = 200
"""Layers of fewer weights than this, on average, are sorted together."""


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
    found = _reserve((values,), places, layers, floors)
    return found.tau, np.minimum(found.own, found.tau)


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
    found = _reserve(keys, places, layers, floors)
    keep[found.reserved] = True
    rest = found.rest
    keep[rest[_highest(tuple(key[rest] for key in keys), places - found.reserved.size)]] = True
    return keep


@dataclass(frozen=True, eq=False)
class _Reserved:
    """The weights that are kept because of a floor, and what is left to choose from.

    Attributes:
        reserved: Indices of the highest of each layer whose floor may be active, as many as its floor.
        rest: Indices of others: of these the highest are kept, and no weight outside of both is.
        tau: The lowest of the highest of the rest; infinite if the floors use all places.
        own: The lowest reserved value of each layer, shape (L,); infinite where nothing is reserved.
    """

    reserved: Integers
    rest: Integers
    tau: float
    own: Floats


def _reserve(keys: tuple[Floats, ...], places: int, layers: Integers, floors: Integers) -> _Reserved:
    """Reserve the highest weights of the layers that have too few above the threshold.

    Reserving raises the threshold of the others, so that more layers may have too few: these are reserved
    next. Where a layer has enough weights above the threshold, its floor changes nothing. So only weights
    above the first threshold, and those of the layers that have too few there, are looked at.
    """
    values = keys[0]
    first = kth_highest(values, places)
    near = np.flatnonzero(values >= first)
    short = np.bincount(layers[near], minlength=floors.size) < floors
    members = np.flatnonzero(short[layers] | (values >= first)) if short.any() else near
    own = np.full(floors.size, np.inf)
    inside, owners = values[members], layers[members]
    free = np.ones(members.size, dtype=bool)
    done = np.zeros(floors.size, dtype=bool)
    left = places
    while True:
        new = short & ~done
        if new.any():
            chosen = _best_of_each(tuple(key[members] for key in keys), owners, np.where(new, floors, 0))
            np.minimum.at(own, owners[chosen], inside[chosen])
            free[chosen] = False
            left -= chosen.size
            done |= new
        tau = kth_highest(inside[free], left)
        above = np.bincount(owners[inside > tau], minlength=floors.size)
        short = (above < floors) & ~done
        if not short.any():
            return _Reserved(members[~free], members[free], tau, own)


def nth_of_each(values: Floats, layers: Integers, ranks: Integers) -> Floats:
    """A high value of each layer.

    Args:
        values: Shape (n,).
        layers: The layer of each, shape (n,).
        ranks: Of each layer, at most its size, shape (L,): 1 is the highest.

    Returns:
        The rank-th highest of each layer, shape (L,); infinity for rank 0.
    """
    found = np.full(ranks.size, np.inf)
    if ranks.max(initial=0) <= 1:
        highest = np.full(ranks.size, -np.inf)
        np.maximum.at(highest, layers, values)
        return np.where(ranks > 0, highest, found)
    chosen = _best_of_each((values,), layers, ranks)
    np.minimum.at(found, layers[chosen], values[chosen])
    return found


def _best_of_each(keys: tuple[Floats, ...], layers: Integers, counts: Integers) -> Integers:
    """The indices of the highest of some layers, as many as each layer's count, ascending.

    Ties are decided by the further keys, then by the lower index. Few weights are sorted; layers of many
    weights are partitioned, one after the other.
    """
    inside = np.flatnonzero(counts[layers])
    owners = layers[inside]
    sizes = np.bincount(owners, minlength=counts.size)
    starts = np.cumsum(sizes) - sizes
    wanted = np.flatnonzero(counts)
    if inside.size < SORTED * wanted.size:
        order = np.lexsort((*(-key[inside] for key in keys[::-1]), owners))
        rank = np.arange(inside.size) - starts[owners[order]]
        chosen = inside[order[rank < counts[owners[order]]]]
    else:
        order = np.argsort(owners, kind="stable")
        found = []
        for layer in wanted.tolist():
            members = inside[order[starts[layer] : starts[layer] + sizes[layer]]]
            found.append(members[_highest(tuple(key[members] for key in keys), int(counts[layer]))])
        chosen = np.concatenate(found)
    return np.sort(chosen)


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
