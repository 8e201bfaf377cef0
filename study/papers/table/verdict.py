"""Does a mean agree with a published figure? The whole interval decides, never the mean alone."""

from typing import Literal

from search_spaces.presets.base import PublishedValue, Unit
from study.analysis.statistics import Interval

Verdict = Literal["agrees", "above", "below", "undecided"]

# A published factor is an integer, truncated or rounded: ours may differ by one.
FACTOR_TOLERANCE = 1.0
# Rounding changes a difference of decimal fractions by less than this.
ROUNDING = 1e-9


def compare_with_published(ours: Interval, published: float, tolerance: float) -> Verdict:
    """Compare our mean with a published figure.

    Args:
        ours: Our mean with its 95 % interval.
        published: The figure, in the same unit.
        tolerance: At least 0, in the same unit.

    Returns:
        `agrees` if the whole interval lies within published +- tolerance, the ends included. `above` or
        `below` if the whole interval lies outside, on that side. `undecided` if the interval crosses an end:
        more seeds make it narrower. A single seed has no interval, and is undecided.
    """
    low = ours.mean - ours.half_width - published
    high = ours.mean + ours.half_width - published
    if low >= -tolerance - ROUNDING and high <= tolerance + ROUNDING:
        return "agrees"
    if low > tolerance + ROUNDING:
        return "above"
    if high < -tolerance - ROUNDING:
        return "below"
    return "undecided"


def tolerance_of(unit: Unit, points: float) -> float:
    """The tolerance in a unit.

    Args:
        unit: Of the published figure.
        points: Percentage points of accuracy, or of a share of it: 1 is 0.01.
    """
    return FACTOR_TOLERANCE if unit == "factor" else points / 100


def written(one: PublishedValue) -> str:
    """A published figure with its unit: `93.1 %`, `99.2 % of dense`, `factor 157`."""
    if one.unit == "factor":
        return f"factor {one.value:g}"
    percent = f"{100 * one.value:.1f} %"
    return percent if one.unit == "accuracy" else f"{percent} of dense"
