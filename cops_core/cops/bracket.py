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
from cops_core.cops.selection import best_mask
from cops_core.cops.solution import Bools, Floats
from cops_core.cops.sums import totals
from cops_core.cops.vertex import PoolOptimum, Task

STEPS = 120
"""The maximum number of multipliers that are tried; about a dozen is usual."""

PATIENCE = 40
"""After this many steps the tolerance for ties grows: the remaining intersections are too close."""

LOOSEST = 2.0**12
"""The highest tolerance for ties."""

SMALL = 1000
"""From pools up to this size nothing is eliminated."""

ROUGH = 64 * float(np.finfo(np.float64).eps)
"""More than the rounding error of a sum of up to 2^30 terms (numpy adds pairwise), relative to its bound."""

DIFFERING = 12
"""Two masks that differ in more weights are too far apart for their lines' intersection to be a good step."""

FARTHEST = 1e-6
"""Regula falsi keeps this share of the bracket's length from its ends."""

GROWTHS = (1.25, 4.0, 64.0)
"""The steps from a start, until the optimum is enclosed."""

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
    if not pool.floors.any() and np.isfinite(tau):
        return _common_ties(pool, weights, values, tau, tolerance)
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
    if int(np.count_nonzero((distance > 0) & ~tied)) + int(np.count_nonzero(tied)) == pool.places:
        values[tied] = np.broadcast_to(near, values.shape)[tied]
        mask = values >= near
        return Ties(values, tied, mask, mask)
    values[tied] = np.broadcast_to(near, values.shape)[tied]
    target, control = pool.scores
    return Ties(
        values,
        tied,
        lowest=pool.best_mask(values, -control, target),
        highest=pool.best_mask(values, control, target),
    )


def _common_ties(pool: Pool, weights: Floats, values: Floats, tau: float, tolerance: float) -> Ties:
    """The ties where all weights have one threshold."""
    distance = values - tau
    near = tolerance * ROOM * (float(pool.largest @ weights) + abs(tau))
    some = np.flatnonzero(np.abs(distance) <= near)
    room = tolerance * ROOM * (combine(np.abs(pool.scores[:, some]), weights) + abs(tau))
    some = some[np.abs(distance[some]) <= room]
    tied = np.zeros(values.size, dtype=bool)
    tied[some] = True
    values[some] = tau
    mask = values > tau
    if int(np.count_nonzero(mask)) + some.size == pool.places:
        mask[some] = True
        return Ties(values, tied, mask, mask)
    places = pool.places - int(np.count_nonzero(mask))
    target, control = pool.scores[:, some]
    lowest, highest = mask, mask.copy()
    lowest[some] = best_mask((-control, target), places, None, pool.floors)
    highest[some] = best_mask((control, target), places, None, pool.floors)
    return Ties(values, tied, lowest, highest)


def solve_bracket(pool: Pool, task: Task, box: Box | None, start: Floats | None = None) -> PoolOptimum:
    """The multiplier of the optimum over a pool, for one control; the mask then follows from the ties.

    Args:
        pool: The undecided weights.
        task: The level, without a step.
        box: Where the optimum is expected, None for anywhere.
        start: w near which the optimum is expected, shape (2,), or None. Both must be positive.

    Returns:
        The optimum, without shares. An optimum outside the box is BELOW or ABOVE; without a box BELOW is the
        optimum lambda = 0, and ABOVE means that the level cannot be reached.
    """
    bracket = _Bracket(pool, task, *_ends(box))
    answer = bracket.near_start(start) if start is not None and box is None else None
    answer = answer or bracket.close()
    for step in range(STEPS):
        if answer is not None:
            break
        if step % 2 == 1:
            bracket.eliminate()
        tolerance = min(2.0 ** max(step - PATIENCE, 0), LOOSEST)
        answer = bracket.advance(step, tolerance)
    return answer or PoolOptimum(BELOW, np.zeros(0), "stuck")


class _Bracket:
    """Two w on either side of the optimum, each with its best mask and the excess of that over the level.

    A mask is None as long as it is not known.

    Args:
        pool: The undecided weights.
        task: The level.
        left: w at or below the optimum.
        right: w at or above it.
    """

    def __init__(self, pool: Pool, task: Task, left: Floats, right: Floats) -> None:
        self._pool, self._task, self._level = pool, task, float(task.levels[0])
        self._left, self._right = left, right
        self._low: Bools | None = None
        self._high: Bools | None = None
        self._lack, self._plenty = -1.0, 1.0
        self._moved = 0

    def near_start(self, start: Floats) -> PoolOptimum | None:
        """Try w around `start` until the optimum is between two of them, or far away."""
        trial = start
        for growth in GROWTHS:
            if not (trial > 0).all() or not np.isfinite(trial).all():
                break
            answer = self._try(trial, 1.0)
            if answer is not None or (self._low is not None and self._high is not None):
                return answer
            trial = trial * np.array([1.0, growth if self._high is None else 1 / growth])
        return None

    def close(self) -> PoolOptimum | None:
        """Evaluate the ends that are not known; the optimum may be there, or beyond."""
        pool, level, left, right = self._pool, self._level, self._left, self._right
        if self._low is None:
            first = find_ties(pool, left, 1.0)
            self._low, self._lack = first.highest, _excess(pool, first.highest, level)
            if self._lack >= 0:
                inside = left[0] > 0 and _excess(pool, first.lowest, level) <= 0
                return PoolOptimum(left / left[0] if inside else BELOW, np.zeros(0), "optimal")
        if self._high is None:
            last = find_ties(pool, right, 1.0)
            self._high, self._plenty = last.lowest, _excess(pool, last.lowest, level)
            if self._plenty < 0:
                inside = right[0] > 0 and _excess(pool, last.highest, level) >= 0
                return PoolOptimum(right / right[0] if inside else ABOVE, np.zeros(0), "optimal")
        return None

    def eliminate(self) -> None:
        """Leave out what the bracket decides, if the pool is large."""
        span = _segment(self._left, self._right, self._task.units) if self._pool.size > SMALL else None
        if span is not None and self._low is not None and self._high is not None:
            self._pool, _ = self._pool.near(span)
            self._low, self._high = self._low[self._pool.positions], self._high[self._pool.positions]

    def advance(self, step: int, tolerance: float) -> PoolOptimum | None:
        """One step: the intersection of the two lines, or regula falsi if many weights differ.

        Only the intersection finds an optimum exactly, also where thousands of weights are tied.
        """
        assert self._low is not None
        assert self._high is not None
        differing = int(np.count_nonzero(self._low != self._high))
        if step % 5 == 4:
            trial = self._between(0.5)
        elif differing > DIFFERING and self._plenty > 0 and step % 5 in (0, 2):
            share = self._lack / (self._lack - self._plenty)
            trial = self._between(min(max(share, FARTHEST), 1 - FARTHEST))
        else:
            trial = _crossing(self._pool, self._low, self._high)
        if step >= 2 and differing <= 2 * self._task.rough:
            return PoolOptimum(trial / trial[0], np.zeros(0), "optimal")
        return self._try(trial, tolerance)

    def _try(self, trial: Floats, tolerance: float) -> PoolOptimum | None:
        """Replace one end by `trial`, or return it as the optimum."""
        found = find_ties(self._pool, trial, tolerance)
        excess = _excess(self._pool, found.highest, self._level)
        if excess < 0:
            self._low, self._left, self._lack = found.highest, trial, excess
            if self._moved < 0:  # twice the same side: the Illinois method
                self._plenty /= 2
            self._moved = -1
            return None
        if found.lowest is not found.highest:
            excess = _excess(self._pool, found.lowest, self._level)
        if excess > 0:
            self._high, self._right, self._plenty = found.lowest, trial, excess
            if self._moved > 0:
                self._lack /= 2
            self._moved = 1
            return None
        return PoolOptimum(trial / trial[0], np.zeros(0), "optimal", tolerance)

    def _between(self, share: float) -> Floats:
        left, right, units = self._left, self._right, self._task.units
        return np.asarray((1 - share) * left / (left @ units) + share * right / (right @ units))


def _ends(box: Box | None) -> tuple[Floats, Floats]:
    if box is None:
        return BELOW, ABOVE
    ends = [np.maximum(box.weights - box.radii, 0.0), box.weights + box.radii]
    first, second = ends if box.pivot == 0 else ends[::-1]
    return first, second


def _excess(pool: Pool, mask: Bools, level: float) -> float:
    """The mask's sum of the control minus the level, rounded as levels are.

    A difference that is certainly not zero may have rounding errors.
    """
    chosen = pool.scores[1, np.flatnonzero(mask)]
    rough = float(chosen.sum()) + float(pool.kept_sums[0, 1]) - level
    errors = chosen.size * float(pool.largest[1]) + abs(float(pool.kept_sums[0, 1])) + abs(level)
    if abs(rough) > ROUGH * errors:
        return rough
    return float(totals(pool.kept_sums[:, 1:], chosen[None])[0]) - level


def _segment(left: Floats, right: Floats, units: Floats) -> Box | None:
    """The box of all w between two, or None if no score has a positive weight in both."""
    pivot = int(np.argmax(np.minimum(left, right) * units))
    if min(left[pivot], right[pivot]) <= 0:
        return None
    ends = np.array([left / left[pivot], right / right[pivot]])
    radii = np.ptp(ends, axis=0) / 2
    radii[1 - pivot] *= 1 + 4 * float(np.finfo(np.float64).eps)
    return Box(ends.mean(axis=0), radii, pivot)


def _crossing(pool: Pool, low: Bools, high: Bools) -> Floats:
    """The w for which the masks left and right of the optimum have equal values."""
    leaving = pool.scores[:, np.flatnonzero(low & ~high)]
    entering = pool.scores[:, np.flatnonzero(high & ~low)]
    lost = float(leaving[0].sum() - entering[0].sum())
    gained = float(entering[1].sum() - leaving[1].sum())
    return np.array([1.0, max(lost / gained, 0.0)])
