"""Two controls or more, many weights, where boxes do not help: sifting.

Most weights are fixed where the last program left them, a few thousand are free. The program's duals
price the fixed ones: those on the wrong side of the threshold are set free, those free ones that
came out whole and far from it are fixed. Where no fixed weight is on the wrong side the optimum of
the few is that of all. Ties are harmless here: a tied weight is on no wrong side.
"""

import numpy as np

from cops_core.cops.pool import ROOM, Pool
from cops_core.cops.solution import Bools, Floats, Integers
from cops_core.cops.vertex import PoolOptimum, Task, solve_vertex, stuck

FREE = 1500
"""Weights set free at a time."""

SIFTS = 100
"""Programs solved before giving up."""

FRESH = 6
"""Programs after which what is fixed where no longer follows their multipliers as a whole."""

WRONG = 1e-9
"""A weight this little beyond the threshold, relative to what its score is made of, is tied."""


def start_from(pool: Pool, weights: Floats) -> tuple[Integers, Bools]:
    """The weights of a pool nearest to the threshold of w . omega, and the best mask, free ones apart."""
    combined = pool.combined(weights)
    keep = pool.best_mask(combined)
    free = _lowest(np.abs(combined - pool.of_layer(pool.thresholds(combined)[1])), FREE)
    keep[free] = False
    return free, keep


def solve_sifting(pool: Pool, task: Task, free: Integers, keep: Bools) -> PoolOptimum:
    """The exact optimum over a pool.

    free: the positions to start with, ascending. keep: shape (n,), which of the others are kept; no
    more of them, nor fewer, than can be made up to a mask with the free ones.
    """
    weights = 1.0 / task.units
    for sift in range(SIFTS):
        fixed = keep.copy()
        fixed[free] = False
        part = pool.part(free, fixed)
        answer = solve_vertex(part, task)
        if answer.state == "stuck":
            break
        combined = pool.combined(answer.weights)
        each = part.thresholds(combined[free])[1]
        edge = pool.of_layer(np.where(np.isfinite(each), each, combined[free].max()))
        beyond = np.where(fixed, edge - combined, combined - edge)
        beyond -= WRONG * (pool.room(answer.weights) / ROOM + np.abs(edge))
        beyond[free] = 0.0
        wrong = np.flatnonzero(beyond > 0)
        shares = fixed.astype(np.float64)
        shares[free] = answer.shares
        if wrong.size <= task.rough:
            return PoolOptimum(answer.weights, shares, answer.state)
        if wrong.size > FREE and sift < FRESH and answer.state == "optimal":
            free, keep = start_from(pool, answer.weights)
            continue
        keep = shares > 0.5
        free = np.union1d(
            _still_free(free, shares[free], np.abs(combined - edge)[free]),
            wrong[_lowest(-beyond[wrong], FREE)],
        )
    return stuck(pool.size, weights)


def _still_free(free: Integers, shares: Floats, distance: Floats) -> Integers:
    """The free weights that stay so: the fractional ones and the nearest to the threshold.

    The others are fixed where they are, so that each program is at least as good as the last.
    """
    if free.size <= 3 * FREE:
        return free
    stay = np.abs(shares - np.round(shares)) > WRONG
    stay[_lowest(distance, 2 * FREE)] = True
    return free[stay]


def _lowest(values: Floats, count: int) -> Integers:
    """The indices of the `count` lowest, ascending."""
    if values.size <= count:
        return np.arange(values.size)
    return np.sort(np.argpartition(values, count - 1)[:count])
