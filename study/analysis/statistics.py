"""Means with confidence intervals, and tests of whether methods, or groups of them, differ."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special, stats

# Equal differences of accuracies differ by less than this through rounding.
ROUNDING = 1e-12
QUANTILES = 4000  # of the chi-squared distribution, over which a power is averaged


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval (Student's t).

    Attributes:
        mean: The mean.
        half_width: Half the width of the interval.
        count: The number of values.
        deviation: The sample standard deviation of the values, with their number minus one as the divisor;
            NaN for a single value.
    """

    mean: float
    half_width: float
    count: int
    deviation: float = math.nan

    def __format__(self, spec: str) -> str:
        """`{interval:.1%}` gives `81.8% ± 0.4% (5)`; the width is written without a sign."""
        return f"{self.mean:{spec}} ± {self.half_width:{spec.lstrip('+')}} ({self.count})"


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The confidence interval of a mean.

    Args:
        values: One or more.
        confidence: In (0, 1).

    Returns:
        The interval; its width is infinite for a single value.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return Interval(float(array.mean()), math.inf, array.size)
    deviation = float(array.std(ddof=1))
    quantile = float(stats.t.ppf((1 + confidence) / 2, array.size - 1))
    half_width = quantile * deviation / math.sqrt(array.size)
    return Interval(float(array.mean()), half_width, array.size, deviation)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> float:
    """The p-value of a two-sided paired t-test: do the means over the common seeds differ?

    Args:
        first: Finite values by seed index.
        second: The same of another configuration.

    Returns:
        The p-value; NaN with fewer than two common seeds. If all differences are equal there is no variance:
        1 if they are zero, else 0.
    """
    common = sorted(first.keys() & second.keys())
    if len(common) < 2:
        return math.nan
    differences = np.array([first[seed] - second[seed] for seed in common], dtype=np.float64)
    if np.ptp(differences) <= ROUNDING:
        return 1.0 if abs(float(differences[0])) <= ROUNDING else 0.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def least_difference(seeds: int, comparisons: int, level: float = 0.05, power: float = 0.8) -> float:
    """The smallest true difference that a paired t-test with so many seeds finds often enough.

    The test is two-sided at the level over the number of comparisons (Bonferroni). Its power at a difference
    d is that of the noncentral t distribution with noncentrality d sqrt(n): the mean of the normal
    distribution's power over the chi-squared distribution of the variance, which is stable in its tails.

    Args:
        seeds: The number of pairs, n.
        comparisons: The number of tests in total, at least 1.
        level: The probability that any test finds a difference where there is none, in (0, 1).
        power: The probability that a test finds the difference, in (0, 1).

    Returns:
        The difference, in standard deviations of the paired difference; NaN with fewer than two seeds.
    """
    if seeds < 2:
        return math.nan
    freedom = seeds - 1
    variances = stats.chi2.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES, freedom) / freedom
    critical = float(stats.t.isf(level / comparisons / 2, freedom))
    bounds = critical * np.sqrt(variances)

    def excess(noncentrality: float) -> float:
        found = special.ndtr(noncentrality - bounds) + special.ndtr(-noncentrality - bounds)
        return float(found.mean()) - power

    return float(optimize.brentq(excess, 0.0, 10 * critical + 10)) / math.sqrt(seeds)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Scand. J. Statist. 1979).

    If all hypotheses with an adjusted value of at most alpha are rejected, the probability that any true one
    is among them is at most alpha. In ascending order the k-th of m values (from 0) is multiplied by m - k;
    none may be smaller than the one before, nor above 1.

    Args:
        p_values: The p-values; NaN for comparisons that were not possible.

    Returns:
        The adjusted values, in the same order. NaN stays NaN and does not count in m.
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
    """The p-value of the Kruskal-Wallis test: do values differ between groups?

    It compares ranks, with the chi-squared distribution, which is a rough approximation for groups of fewer
    than five values.

    Args:
        found: The group and the value of each observation.

    Returns:
        The p-value; 1 for a single group, and if all values are equal.
    """
    kinds: dict[Hashable, list[float]] = {}
    for kind, value in found:
        kinds.setdefault(kind, []).append(value)
    if len(kinds) < 2 or len({value for _, value in found}) < 2:
        return 1.0
    return float(stats.kruskal(*kinds.values()).pvalue)


def trend(points: Sequence[tuple[float, float]]) -> float:
    """The Theil-Sen slope of y over x: the median slope of all pairs, which is robust against outliers.

    Args:
        points: Pairs (x, y).

    Returns:
        The slope; 0 if all x are equal.
    """
    if len({x for x, _ in points}) < 2:
        return 0.0
    x, y = np.array(points, dtype=np.float64).T
    return float(stats.theilslopes(y, x).slope)
