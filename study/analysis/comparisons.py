"""Is the best method of a rate better than the others? Paired tests, where budgets are equal."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from study.analysis.configurations import ConfigurationResult
from study.analysis.fairness import Choice, by_rate
from study.analysis.statistics import holm, paired


@dataclass(frozen=True)
class MethodComparison:
    """The best configuration of a rate, compared with the best of another method at this rate.

    The configurations were chosen by the same accuracies, so the p-value is too small by an unknown amount.
    It only shows where the choice of seeds alone may explain a difference. The best of more configurations is
    better by chance alone, so there is no p-value between unequal numbers of them.

    Attributes:
        best: The best configuration of the rate.
        other: The best configuration of another method.
        difference: The mean accuracy of the best minus the other's, over the seeds that both have.
        p_value: Of the paired t-test over these seeds, adjusted by Holm's method for the rate's other
            comparisons; NaN with fewer than two common seeds, and if `unequal`.
        unequal: Whether the numbers of configurations, from which the two were chosen, differ.
    """

    best: ConfigurationResult
    other: ConfigurationResult
    difference: float
    p_value: float
    unequal: bool


def comparisons(best: Sequence[Choice]) -> list[MethodComparison]:
    """Each rate's best configuration, compared with every other one of the rate.

    If the rate is not an axis, densities differ as well, and nothing is compared.

    Args:
        best: The best configuration of each method at each rate, sorted by rate.

    Returns:
        The comparisons.
    """
    rated = [each for each in best if each.result.rate is not None]
    return [comparison for group in by_rate(rated) for comparison in _within(group)]


def fair_p(first: Choice, other: Choice, accuracies: Sequence[Mapping[int, float]]) -> float:
    """The p-value of the paired t-test between two results.

    Args:
        first: One result.
        other: The other one.
        accuracies: The accuracies of both, by seed.

    Returns:
        The p-value; NaN with fewer than two common seeds, and if the two were chosen from different numbers
        of configurations.
    """
    one, another = accuracies
    return paired(one, another) if first.budget == other.budget else math.nan


def _within(group: Sequence[Choice]) -> list[MethodComparison]:
    if not group:
        return []
    first = max(group, key=lambda each: each.result.quality)
    others = [each for each in group if each is not first]
    p_values = [fair_p(first, each, (first.result.accuracies, each.result.accuracies)) for each in others]
    return [
        MethodComparison(
            first.result,
            each.result,
            _difference(first.result, each.result),
            p_value,
            first.budget != each.budget,
        )
        for each, p_value in zip(others, holm(p_values), strict=True)
    ]


def _difference(first: ConfigurationResult, other: ConfigurationResult) -> float:
    common = first.accuracies.keys() & other.accuracies.keys()
    return fmean(first.accuracies[s] - other.accuracies[s] for s in common) if common else math.nan
