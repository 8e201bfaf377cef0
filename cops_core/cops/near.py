"""The mask alone, for one control, near a known multiplier: a guess and its proof.

Rounds of scoring need only masks, and the multiplier changes little from round to round. Suppose that for
s = omega_0 + lambda omega_1

- exactly two weights i and j are at the threshold, and all others clearly above or below it, also for every
  lambda within the rounding errors of the one at which s_i = s_j;
- the mask with i misses the level and the mask with j exceeds it, by more than the rounding errors of sums.

Then the slope of phi (see `bracket.py`) changes its sign at this lambda, so that it is the optimum, and the
mask with j is the one that `solve_cops` returns. This is checked over all weights: how lambda was guessed
does not matter. Where it is not so, e.g. where many weights are tied, there is no result.
"""

from dataclasses import dataclass

import numpy as np

from cops_core.cops.box import Box
from cops_core.cops.bracket import LOOSEST, ROUGH, solve_bracket
from cops_core.cops.levels import find_levels
from cops_core.cops.pool import ROOM, Pool
from cops_core.cops.selection import kth_highest
from cops_core.cops.solution import Bools, Floats
from cops_core.cops.vertex import Task

CLOSE = 1.3
"""The multiplier is first expected within this factor of the start."""

FARTHER = 4.0
"""Each of the next brackets is so much farther away."""

BRACKETS = 4
"""The maximum number of brackets that are tried."""

CROWD = 1000
"""With more weights around the threshold than this there is no proof."""


@dataclass(frozen=True, eq=False)
class NearMask:
    """The mask of the optimum.

    Attributes:
        keep: Shape (D,), exactly kappa true.
        multiplier: lambda, up to rounding.
    """

    keep: Bools
    multiplier: float


def mask_near(
    target: np.ndarray, control: np.ndarray, kappa: int, level: float, start: float
) -> NearMask | None:
    """The mask of `solve_cops` for one control, a relative level and no floors, where it is easily proved.

    Args:
        target: omega_0, shape (D,), float32 or float64.
        control: omega_1, the same.
        kappa: In [0, D].
        level: alpha, in [0, 1].
        start: A multiplier near that of the optimum.

    Returns:
        The mask; None if there is no proof, also where a score has wrong values: call `solve_cops`.
    """
    if not 0 < kappa < target.size or not 0 < start < np.inf:
        return None
    with np.errstate(all="ignore"):
        problem = _Problem(
            target.astype(np.float64, copy=False), control.astype(np.float64, copy=False), kappa
        )
        pair = problem.pair(start) if problem.state(level) else None
        return None if pair is None else problem.proved(*pair)


class _Problem:
    """All weights, with sums up to rounding.

    Args:
        target: Shape (D,).
        control: Shape (D,).
        kappa: In (0, D).
    """

    def __init__(self, target: Floats, control: Floats, kappa: int) -> None:
        self._target, self._control, self._kappa = target, control, kappa
        self._total = float(control.sum())
        self._largest = np.array([np.abs(target).sum(), np.abs(control).sum()])  # or more
        self._errors = 8 * ROUGH * float(self._largest[1])  # of a difference of a few sums
        self._wanted = 0.0

    def state(self, level: float) -> bool:
        """Set the level; False if it may be met by the target's own mask, or is all that the control has.

        It is also False if a value is not finite.
        """
        own, most = self._best(self._target), self._best(self._control)
        levels = find_levels([np.array([0.0, own]), np.array([0.0, most])], np.array([level]), "relative")
        self._wanted = float(levels.wanted[0])
        certain = own + self._errors < self._wanted < most - self._errors
        return certain and bool(np.isfinite(self._largest).all())

    def pair(self, start: float) -> tuple[int, int] | None:
        """The two weights at whose crossing the best mask passes the level, probably."""
        left, right = start / CLOSE, start * CLOSE
        (low, lack), (high, plenty) = self._distances(left), self._distances(right)
        for _ in range(BRACKETS):
            if lack >= 0:
                right, high, plenty = left, low, lack
                left /= FARTHER
                low, lack = self._distances(left)
            elif plenty < 0:
                left, low, lack = right, high, plenty
                right *= FARTHER
                high, plenty = self._distances(right)
        if lack >= 0 or plenty < 0:
            return None
        pool = self._undecided(low, high)
        box = Box(np.array([1.0, (left + right) / 2]), np.array([0.0, (right - left) / 2]), 0)
        answer = solve_bracket(pool, Task(np.array([self._wanted]), None, np.ones(2)), box)
        values = pool.combined(answer.weights)
        if pool.size < 2 or not 0 < pool.places < pool.size:
            return None
        near = np.argpartition(np.abs(values - pool.thresholds(values)[0]), 1)[:2]
        first, second = pool.positions[near].tolist()
        return (first, second) if self._control[first] < self._control[second] else (second, first)

    def proved(self, lower: int, higher: int) -> NearMask | None:
        """The mask where two weights cross, if it is certainly the optimum's.

        Args:
            lower: The one with the lower control.
            higher: The other one.
        """
        target, control = self._target, self._control
        gain = float(control[higher] - control[lower])
        multiplier = float(target[lower] - target[higher]) / gain if gain > 0 else 0.0
        if not 0 < multiplier < np.inf:
            return None
        values = self._combined(multiplier)
        edge = float(values[lower])
        room = LOOSEST * ROOM
        terms = np.abs(target[[lower, higher]]) + multiplier * np.abs(control[[lower, higher]])
        shift = room * float(terms.sum()) / gain  # of the multiplier
        most = room * (self._largest @ [1.0, multiplier] + abs(edge)) + 2 * shift * self._largest[1]
        keep = values > edge + most
        close = np.flatnonzero((values >= edge - most) & ~keep)
        others = close[(close != lower) & (close != higher)]
        if others.size > CROWD or others.size != close.size - 2:
            return None
        size = np.abs(target[others]) + multiplier * np.abs(control[others]) + abs(edge)
        apart = room * size + shift * np.abs(control[others] - control[lower])
        distance = values[others] - edge
        keep[others] = distance > 0
        if (np.abs(distance) <= apart).any() or np.count_nonzero(keep) != self._kappa - 1:
            return None
        without = self._sum(keep) - self._wanted
        if not without + control[lower] < -self._errors or not without + control[higher] > self._errors:
            return None
        keep[higher] = True
        return NearMask(keep, multiplier)

    def _combined(self, multiplier: float) -> Floats:
        values = self._control * multiplier
        values += self._target
        return values

    def _sum(self, keep: Bools) -> float:
        """The control over some weights, by adding those or the others, whichever are fewer."""
        if 2 * self._kappa < keep.size:
            return float(self._control[np.flatnonzero(keep)].sum())
        return self._total - float(self._control[np.flatnonzero(~keep)].sum())

    def _best(self, values: Floats) -> float:
        """The control over the best mask of a score; of tied weights the highest count."""
        edge = kth_highest(values, self._kappa)
        keep = values >= edge
        surplus = int(np.count_nonzero(keep)) - self._kappa
        tied = self._control[np.flatnonzero(values == edge)] if surplus else self._control[:0]
        return self._sum(keep) - float(np.sort(tied)[:surplus].sum())

    def _distances(self, multiplier: float) -> tuple[Floats, float]:
        """How far each weight is above the threshold, and what the best mask exceeds the level by."""
        values = self._combined(multiplier)
        values -= kth_highest(values, self._kappa)
        return values, self._sum(values >= 0) - self._wanted

    def _undecided(self, low: Floats, high: Floats) -> Pool:
        """The weights that not every multiplier between two decides in the same way.

        Between them a distance is between those at the ends, up to a shift that all weights have in common.
        """
        least, most = np.minimum(low, high), np.maximum(low, high)
        removed, kept = most < kth_highest(least, self._kappa), least > kth_highest(most, self._kappa)
        members = np.flatnonzero(~(removed | kept))
        sums = np.zeros((2, 2))
        sums[0, 1] = self._sum(~removed) - float(self._control[members].sum())
        places = self._kappa - int(np.count_nonzero(kept))
        scores = np.array([self._target[members], self._control[members]])
        return Pool(members, scores, places, sums, None, np.zeros(1, dtype=np.intp))
