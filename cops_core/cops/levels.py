"""The meaning of levels: c_j lies between the target's own mask and the most that can be kept.

relative: c_j = a_j + alpha_j (b_j - a_j), clamped to [a_j, b_j];  absolute: c_j = beta_j b_j.
Both have the form start + step; shrinking multiplies the step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cops_core.cops.pool import Pool
from cops_core.cops.problem import ProblemKind
from cops_core.cops.solution import Bools, Floats


@dataclass(frozen=True, eq=False)
class Levels:
    """The levels of the J controls, as sums; all arrays of shape (J,).

    Attributes:
        own: a_j, the sum of control j over the target's own mask.
        most: b_j, the highest possible sum of control j.
        start: The level for t = 0.
        step: The level for t = 1 is start + step.
        wanted: c_j = start + step, rounded and clamped.
    """

    own: Floats
    most: Floats
    start: Floats
    step: Floats
    wanted: Floats

    @property
    def met_by_target(self) -> bool:
        """Whether the target's own mask meets all levels."""
        return bool(np.all(self.own >= self.wanted))

    def at(self, t: float) -> Floats:
        """The levels shrunk by t in [0, 1]."""
        return self.wanted if t == 1.0 else np.asarray(self.start + t * self.step)


def own_mask(pool: Pool, first: int) -> Bools:
    """A score's own best mask: m^0 for the target, m^j for control j.

    Args:
        pool: The weights.
        first: The number of the score, 0 for the target.

    Returns:
        The mask, shape (n,). Ties are decided by the target, then the controls, then the lower index.
    """
    return pool.best_mask(pool.scores[first], *pool.scores)


def find_levels(sums: Sequence[Floats], values: Floats, kind: ProblemKind) -> Levels:
    """The levels as sums of the controls.

    Args:
        sums: For each score, the sums of all scores over its own best mask, shape (J + 1,).
        values: The levels as the user states them, in [0, 1], shape (J,).
        kind: "relative" or "absolute".

    Returns:
        The levels.
    """
    own = sums[0][1:]
    most = np.maximum(np.diag(np.array(sums))[1:], own)
    start = np.zeros(own.size) if kind == "absolute" else own
    step = np.asarray(values * (most - start))
    wanted = np.where(values == 1, most, np.clip(start + step, np.minimum(start, most), most))
    return Levels(own, most, start, step, wanted)
