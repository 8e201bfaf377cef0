"""Means with their confidence intervals; whether methods differ; what the best have in common by chance."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
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


def narrow_by_chance(drawn: Sequence[float], best: Sequence[float]) -> float:
    """How probable it is that as many of the drawn values, taken at random, lie as close together.

    best: some of `drawn`. Exact: of all subsets of that size, the share whose range is at most that of
    `best`, counted by their least value. 1 for fewer than two.
    """
    if len(best) < 2:
        return 1.0
    width, values = max(best) - min(best), np.sort(np.asarray(drawn, dtype=np.float64))
    # By differences, not by low + width: that would miss the best themselves by a rounding.
    reach = [int(np.count_nonzero(values[place:] - low <= width)) - 1 for place, low in enumerate(values)]
    return sum(math.comb(above, len(best) - 1) for above in reach) / math.comb(len(values), len(best))


def common_by_chance(drawn: Counter[str], best: Counter[str]) -> float:
    """How probable it is that as many of the drawn, taken at random, have as many of one kind.

    best: some of `drawn`, by kind. By the hypergeometric distribution, for the kind of which that is
    least probable, times the number of kinds drawn (Bonferroni): at most 1.
    """
    total, taken = drawn.total(), best.total()
    tails = [float(stats.hypergeom.sf(count - 1, total, drawn[kind], taken)) for kind, count in best.items()]
    return min(1.0, len(drawn) * min(tails, default=1.0))
