"""A mean with its confidence interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A mean, half the width of its 95 % interval (Student's t), and the number of values."""

    mean: float
    half_width: float
    count: int

    def __format__(self, spec: str) -> str:
        """`{interval:.1%}` gives `81.8% ± 0.4% (5)`; the width is written without a sign."""
        return f"{self.mean:{spec}} ± {self.half_width:{spec.lstrip('+')}} ({self.count})"


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The interval of the mean of `values`; infinitely wide for a single one."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return Interval(float(array.mean()), float("inf"), array.size)
    error = float(stats.sem(array))
    return Interval(
        float(array.mean()), error * float(stats.t.ppf((1 + confidence) / 2, array.size - 1)), array.size
    )
