"""What a level means: c_j between what the target's mask keeps and the most that can be kept.

relative: c_j = a_j + alpha_j (b_j - a_j), clamped to [a_j, b_j];  absolute: c_j = beta_j b_j.
Both are start + step: shrinking multiplies the step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cops_core.cops.pool import Pool
from cops_core.cops.problem import ProblemKind
from cops_core.cops.solution import Bools, Floats


@dataclass(frozen=True, eq=False)
class Levels:
    """All of shape (J,). own: a_j. most: b_j. wanted: c_j = start + step, rounded and clamped."""

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
    """The best mask of score `first`, ties by the target, the controls, the index; shape (n,).

    m^0 for first = 0, m^j for first = j.
    """
    return pool.best_mask(pool.scores[first], *pool.scores)


def find_levels(sums: Sequence[Floats], values: Floats, kind: ProblemKind) -> Levels:
    """The levels `values`, shape (J,), as sums of the controls.

    sums: for each score the sums of all scores over its own best mask, each of shape (J + 1,).
    """
    own = sums[0][1:]
    most = np.maximum(np.diag(np.array(sums))[1:], own)
    start = np.zeros(own.size) if kind == "absolute" else own
    step = np.asarray(values * (most - start))
    wanted = np.where(values == 1, most, np.clip(start + step, np.minimum(start, most), most))
    return Levels(own, most, start, step, wanted)
