"""One control: the exact multiplier by bracketing and elimination, in memory.

phi(lambda) = (sum of the kappa highest of omega_0 + lambda omega_1) - lambda c is convex and piecewise
linear. Its slope is the best mask's sum of the control minus c. Two best masks on either side of the
optimum give two of its lines; their intersection is the next multiplier. If both masks are best there, it
is the optimum.
"""

from dataclasses import dataclass

import numpy as np

from cops_core.cops.box import Box
from cops_core.cops.pool import ROOM, Pool, combine
from cops_core.cops.solution import Bools, Floats
from cops_core.cops.sums import totals
from cops_core.cops.vertex import PoolOptimum, Task

STEPS = 120
"""The maximum number of multipliers that are tried; about a dozen is usual."""

PATIENCE = 40
"""After this many steps the tolerance for ties grows: the remaining intersections are too close."""

SMALL = 1000
"""From pools up to this size nothing is eliminated."""

BELOW, ABOVE = np.array([1.0, 0.0]), np.array([0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Ties:
    """The weights that are tied at the thresholds for one w, and two best masks.

    Attributes:
        values: w . omega with tied values made equal, shape (n,).
        tied: Shape (n,), true for tied weights.
        lowest: The best mask with the lowest sum of the control, shape (n,).
        highest: The best mask with the highest sum of the control, shape (n,).
    """

    values: Floats
    tied: Bools
    lowest: Bools
    highest: Bools


def find_ties(pool: Pool, weights: Floats, tolerance: float) -> Ties:
    """The tied weights and the best masks for one w.

    At an intersection two combined scores are rarely equal in floating point. So weights count as tied if
    they differ by less than `tolerance` times the rounding error of the combined score.

    Args:
        pool: The undecided weights of a problem with one control.
        weights: w, shape (2,).
        tolerance: At least 1.

    Returns:
        The ties.
    """
    values = pool.combined(weights)
    tau, each = pool.thresholds(values)
    if each.size > 1 and np.isfinite(tau):
        each = np.where(np.abs(each - tau) <= tolerance * ROOM * (np.abs(each) + abs(tau)), tau, each)
    near = pool.of_layer(each)
    with np.errstate(invalid="ignore"):
        distance = values - near
    tied = np.abs(distance) <= tolerance * ROOM * (pool.largest @ weights + np.abs(near))
    some = np.flatnonzero(tied)
    edge = np.broadcast_to(near, values.shape)[some]
    room = tolerance * ROOM * (combine(np.abs(pool.scores[:, some]), weights) + np.abs(edge))
    tied[some] = np.abs(distance[some]) <= room
    values[tied] = np.broadcast_to(near, values.shape)[tied]
    above = (distance > 0) & ~tied
    if not pool.floors.any() and int(np.count_nonzero(above)) + int(np.count_nonzero(tied)) == pool.places:
        mask = above | tied
        return Ties(values, tied, mask, mask)
    target, control = pool.scores
    return Ties(
        values,
        tied,
        lowest=pool.best_mask(values, -control, target),
        highest=pool.best_mask(values, control, target),
    )


def solve_bracket(pool: Pool, task: Task, box: Box | None) -> PoolOptimum:
    """The multiplier of the optimum over a pool, for one control; the mask then follows from the ties.

    Args:
        pool: The undecided weights.
        task: The level, without a step.
        box: Where the optimum is expected, None for anywhere.

    Returns:
        The optimum, without shares. An optimum outside the box is BELOW or ABOVE; without a box BELOW is the
        optimum lambda = 0, and ABOVE means that the level cannot be reached.
    """
    level = float(task.levels[0])
    none = np.zeros(0)
    left, right = _ends(box)
    first, last = find_ties(pool, left, 1.0), find_ties(pool, right, 1.0)
    if _excess(pool, first.highest, level) >= 0:
        inside = left[0] > 0 and _excess(pool, first.lowest, level) <= 0
        return PoolOptimum(left / left[0] if inside else BELOW, none, "optimal")
    if _excess(pool, last.lowest, level) < 0:
        inside = right[0] > 0 and _excess(pool, last.highest, level) >= 0
        return PoolOptimum(right / right[0] if inside else ABOVE, none, "optimal")
    low, high = first.highest, last.lowest
    for step in range(STEPS):
        span = _segment(left, right, task.units)
        if pool.size > SMALL and span is not None and step % 2 == 1:
            pool, _ = pool.near(span)
            low, high = low[pool.positions], high[pool.positions]
        trial = _middle(left, right, task.units) if step % 3 == 2 else _crossing(pool, low, high)
        tolerance = 2.0 ** max(step - PATIENCE, 0) if step < PATIENCE + 12 else 2.0**12
        if step >= 2 and np.count_nonzero(low != high) <= 2 * task.rough:
            return PoolOptimum(trial / trial[0], none, "optimal")
        found = find_ties(pool, trial, tolerance)
        if _excess(pool, found.highest, level) < 0:
            low, left = found.highest, trial
        elif _excess(pool, found.lowest, level) > 0:
            high, right = found.lowest, trial
        else:
            return PoolOptimum(trial / trial[0], none, "optimal", tolerance)
    return PoolOptimum(BELOW, none, "stuck")


def _ends(box: Box | None) -> tuple[Floats, Floats]:
    if box is None:
        return BELOW, ABOVE
    ends = [np.maximum(box.weights - box.radii, 0.0), box.weights + box.radii]
    first, second = ends if box.pivot == 0 else ends[::-1]
    return first, second


def _excess(pool: Pool, mask: Bools, level: float) -> float:
    """The mask's sum of the control, rounded as levels are, minus the level."""
    return float(totals(pool.kept_sums[:, 1:], pool.scores[1:, mask])[0]) - level


def _segment(left: Floats, right: Floats, units: Floats) -> Box | None:
    """The box of all w between two, or None if no score has a positive weight in both."""
    pivot = int(np.argmax(np.minimum(left, right) * units))
    if min(left[pivot], right[pivot]) <= 0:
        return None
    ends = np.array([left / left[pivot], right / right[pivot]])
    radii = np.ptp(ends, axis=0) / 2
    radii[1 - pivot] *= 1 + 4 * float(np.finfo(np.float64).eps)
    return Box(ends.mean(axis=0), radii, pivot)


def _middle(left: Floats, right: Floats, units: Floats) -> Floats:
    return np.asarray(left / (left @ units) + right / (right @ units))


def _crossing(pool: Pool, low: Bools, high: Bools) -> Floats:
    """The w for which the masks left and right of the optimum have equal values."""
    leaving, entering = pool.scores[:, low & ~high], pool.scores[:, high & ~low]
    lost = float(leaving[0].sum() - entering[0].sum())
    gained = float(entering[1].sum() - leaving[1].sum())
    return np.array([1.0, max(lost / gained, 0.0)])
