"""Means with their confidence intervals, and tests of whether methods or kinds of them differ."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

# Differences of accuracies that are the same fraction differ by less than this, by rounding alone.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Interval:
    """A mean, half the width of its 95 % interval (Student's t), and the number of values.

    deviation: the sample standard deviation of the values (divided by their number less one); NaN for
    a single value.
    """

    mean: float
    half_width: float
    count: int
    deviation: float = math.nan

    def __format__(self, spec: str) -> str:
        """`{interval:.1%}` gives `81.8% ± 0.4% (5)`; the width is written without a sign."""
        return f"{self.mean:{spec}} ± {self.half_width:{spec.lstrip('+')}} ({self.count})"


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The interval of the mean of `values`, one or more; infinitely wide for a single one."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return Interval(float(array.mean()), math.inf, array.size)
    deviation = float(array.std(ddof=1))
    quantile = float(stats.t.ppf((1 + confidence) / 2, array.size - 1))
    half_width = quantile * deviation / math.sqrt(array.size)
    return Interval(float(array.mean()), half_width, array.size, deviation)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    """The p-value of a two-sided paired t-test: do the means over the common seeds differ?

    first, second: finite values by seed index. NaN with fewer than two common seeds. Where the
    differences are all the same there is no variance to judge by: 1 if they are zero, else 0.
    """
    common = sorted(first.keys() & second.keys())
    if len(common) < 2:
        return math.nan
    differences = np.array([first[seed] - second[seed] for seed in common], dtype=np.float64)
    if np.ptp(differences) <= ROUNDING:
        return 1.0 if abs(float(differences[0])) <= ROUNDING else 0.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Scand. J. Statist. 1979): those at most alpha are rejected.

    The chance that any true hypothesis is rejected is then at most alpha. In ascending order the k-th
    of m (from 0) is multiplied by m - k; none may be smaller than the one before, nor above 1. NaN is
    no comparison: it stays NaN, and m does not count it.
    """
    order = sorted(
        (index for index, p in enumerate(p_values) if not math.isnan(p)), key=lambda index: p_values[index]
    )
    adjusted, largest = [math.nan] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def differ(found: Sequence[tuple[Hashable, float]]) -> float:
    """The p-value of Kruskal and Wallis's test: do the values differ between the kinds that they are of?

    found: (kind, value). By ranks, with the chi-squared distribution, which is rough below five of a
    kind. 1 for a single kind, and where all values are equal.
    """
    kinds: dict[Hashable, list[float]] = {}
    for kind, value in found:
        kinds.setdefault(kind, []).append(value)
    if len(kinds) < 2 or len({value for _, value in found}) < 2:
        return 1.0
    return float(stats.kruskal(*kinds.values()).pvalue)


def trend(points: Sequence[tuple[float, float]]) -> float:
    """The slope of y over x by Theil and Sen: the median of all pairs' slopes, which outliers do not move.

    points: (x, y). 0 where all x are equal.
    """
    if len({x for x, _ in points}) < 2:
        return 0.0
    x, y = np.array(points, dtype=np.float64).T
    return float(stats.theilslopes(y, x).slope)
