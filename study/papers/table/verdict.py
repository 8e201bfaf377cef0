"""Does a mean agree with a published figure? Decided by its whole interval, never by the mean alone."""

from typing import Literal

from search_spaces.presets.base import PublishedValue, Unit
from study.analysis.statistics import Interval

Verdict = Literal["agrees", "above", "below", "undecided"]

# A published factor is a whole number, cut off or rounded: ours may be one away.
FACTOR_TOLERANCE = 1.0
# Differences that are the same decimal fraction differ by less than this, by rounding alone.
ROUNDING = 1e-9


def judge(ours: Interval, published: float, tolerance: float) -> Verdict:
    """How our mean stands to a published figure, within a tolerance >= 0, all three in one unit.

    agrees: our whole 95 % interval lies within published +- tolerance, its ends included. above, below:
    the whole interval lies outside, on that side. undecided: it crosses an end; more seeds make it
    narrower. A single seed has no interval and decides nothing.
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
    """The tolerance in that unit. points: of accuracy, or of a share of it; 1 is 0.01."""
    return FACTOR_TOLERANCE if unit == "factor" else points / 100


def written(one: PublishedValue) -> str:
    """A published figure with its unit: `93.1 %`, `99.2 % of dense`, `factor 157`."""
    if one.unit == "factor":
        return f"factor {one.value:g}"
    percent = f"{100 * one.value:.1f} %"
    return percent if one.unit == "accuracy" else f"{percent} of dense"
