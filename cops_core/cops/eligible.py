"""Which weights some multiplier of one control can keep, whatever it is.

If at least kappa weights have omega_0 >= u_0 and omega_1 >= v_1, and at least kappa have omega_1 >= u_1 and
omega_0 >= v_0, then the threshold of w . omega is, for all w >= 0,

    tau(w)  >=  w . v + max_j w_j (u_j - v_j).

With a_j = (omega_ij - v_j) / (u_j - v_j), a weight has w . omega_i = w . v + sum_j w_j (u_j - v_j) a_j. This
is below tau(w) for every w >= 0 if a_0 < 1, a_1 < 1 and a_0 + a_1 < 1: such a weight is never kept. For
non-negative scores v = 0 will do. Of heavy-tailed scores few weights are left, also where nothing is known
about the multiplier. For J = 0, v is not needed and the condition is a_0 < 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cops_core.cops.selection import kth_highest
from cops_core.cops.solution import Bools, Floats

Scores = npt.NDArray[np.floating]

MARGIN = 2.0**-40
"""More than the rounding errors of a_0 + a_1 in float64."""

LARGEST = 1e100
"""Slopes beyond this, or below its inverse, are not used: sums might overflow."""


@dataclass(frozen=True, eq=False)
class Eligibility:
    """Bounds that show that some weights are never kept.

    Attributes:
        high: u, shape (J + 1,).
        low: v, shape (J + 1,); below `high`.
    """

    high: Floats
    low: Floats

    @property
    def slopes(self) -> Floats:
        """1 / (u - v), shape (J + 1,)."""
        return 1.0 / (self.high - self.low)

    @property
    def bound(self) -> float:
        """What sum_j slope_j omega_ij is at least, if a weight may be kept and no a_j is 1 or more."""
        shift = self.slopes * self.low
        return float(1.0 + shift.sum() - MARGIN * (1.0 + np.abs(shift).sum()))

    def marks(self, scores: Floats) -> Bools:
        """The weights that may be kept, shape (n,), of scores of shape (J + 1, n)."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = self._sum(scores) >= self.bound
        for score, high in zip(scores, self.high.tolist(), strict=True):
            found |= score >= high
        return found

    def _sum(self, scores: Floats) -> Floats:
        total = self.slopes[0] * scores[0]
        for slope, score in zip(self.slopes[1:].tolist(), scores[1:], strict=True):
            total += slope * score
        return np.asarray(total)

    def counts(self, scores: Floats) -> list[int]:
        """For each score j the number of weights with omega_j >= u_j, and at least v in the other score."""
        counts = []
        for number, high in enumerate(self.high.tolist()):
            inside = scores[number] >= high
            for other, low in enumerate(self.low.tolist()):
                if other != number:
                    inside &= scores[other] >= low
            counts.append(int(np.count_nonzero(inside)))
        return counts


def find_eligibility(scores: Sequence[Scores], rank: int) -> Eligibility | None:
    """Bounds with `rank` weights each.

    Args:
        scores: J + 1 arrays of shape (n,), J <= 1.
        rank: kappa, or more for a sample.

    Returns:
        The bounds; None if they would not help.
    """
    if not 0 < rank <= scores[0].size // 4:
        return None
    signed = [bool(score.min() < 0) for score in scores]
    middle = scores[0].size // 2
    low = np.array(
        [kth_highest(score, middle) if has else 0.0 for score, has in zip(scores, signed, strict=True)]
    )
    beside = list(scores)
    for number in range(len(scores) if len(scores) > 1 else 0):
        if signed[1 - number]:
            beside[number] = scores[number][scores[1 - number] >= low[1 - number]]
    high = np.array([kth_highest(score, rank) for score in beside])
    with np.errstate(all="ignore"):
        found = Eligibility(high, low)
        usable = np.all((high > low) & (found.slopes < LARGEST) & (found.slopes > 1 / LARGEST))
    return found if usable and np.isfinite(found.bound) else None
