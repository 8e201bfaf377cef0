"""Two or more controls and many weights, if boxes do not help: sifting.

Most weights are fixed as in the last program, a few thousand are free. The program's duals give the prices of
the fixed weights: those on the wrong side of the threshold become free, and free ones with a whole share that
are far from the threshold become fixed. If no fixed weight is on the wrong side, the optimum of the free
weights is that of all. Ties do not matter: a tied weight is not on the wrong side.
"""

import numpy as np

from cops_core.cops.pool import ROOM, Pool
from cops_core.cops.solution import Bools, Floats, Integers
from cops_core.cops.vertex import PoolOptimum, Task, solve_vertex, stuck

FREE = 1500
"""The number of weights that become free at a time."""

SIFTS = 100
"""The maximum number of programs."""

FRESH = 6
"""After this many programs the fixed weights are no longer chosen anew from their multipliers."""

WRONG = 1e-9
"""Weights this close to the threshold, relative to the terms of their score, are tied."""


def start_from(pool: Pool, weights: Floats) -> tuple[Integers, Bools]:
    """The first free and fixed weights.

    Args:
        pool: The undecided weights.
        weights: w, shape (J + 1,).

    Returns:
        The indices of the weights nearest to the threshold of w . omega, ascending, and the best mask without
        these, shape (n,).
    """
    combined = pool.combined(weights)
    keep = pool.best_mask(combined)
    free = _lowest(np.abs(combined - pool.of_layer(pool.thresholds(combined)[1])), FREE)
    keep[free] = False
    return free, keep


def solve_sifting(pool: Pool, task: Task, free: Integers, keep: Bools) -> PoolOptimum:
    """The exact optimum over a pool.

    Args:
        pool: The undecided weights.
        task: The levels, perhaps with a step.
        free: The indices of the free weights at the start, ascending.
        keep: Which of the others are kept, shape (n,). With some of the free ones they must form a mask.

    Returns:
        The optimum.
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
    """The weights that stay free: those with fractional shares and those nearest to the threshold.

    The others are fixed as they are, so that each program is at least as good as the last one.
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
