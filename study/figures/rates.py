"""The figure of a study: the best of each method over the freezing rate."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from study.configurations import (
    ConfigurationResult,
    best_per_method,
    by_configuration,
    comparable,
    pareto_front,
)
from study.figures.style import COLOURS, FAINT, GREY, bare, ink, png
from study.ledger.trial import StudyTrial

LINES = ("-", "--")
MOST_METHODS = len(COLOURS) * len(LINES)  # more cannot be told apart
MOST_TICKS = 8
ASIDE = 0.008

# A method with its points, densest first.
Curve = tuple[str, list[ConfigurationResult]]


def accuracy_by_rate(trials: Sequence[StudyTrial]) -> bytes:
    """Validation accuracy against the freezing rate, as PNG: a line per method, bars over several seeds.

    A point is the method's best configuration at that rate; where the rate is no axis, one that no
    other of the method beats in both accuracy and density. The axis is logarithmic in the density.
    Bars are 95 % intervals of the mean. The methods that are best on average, at most `MOST_METHODS`.
    """
    found = by_configuration(trials)
    methods = sorted(curves(found), key=lambda curve: -fmean(point.mean for point in curve[1]))
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    axes = figure.subplots()
    dense = [each for each in best_per_method(found) if each.method == "dense"]
    for each in dense:
        axes.axhline(each.mean, color=GREY, linewidth=1, linestyle=":")
        place, units = (0.005, each.mean), ("axes fraction", "data")
        axes.annotate("dense", place, xycoords=units, color=GREY, fontsize=8, va="bottom")
    drawn = methods[:MOST_METHODS]
    for number, (method, points) in enumerate(drawn):
        _draw(axes, number, method, points, (number - (len(drawn) - 1) / 2) * ASIDE)
    if not methods and not dense:
        axes.set_title("no trial has finished yet", fontsize=9)
    if methods:
        _ticks(axes, {point.density for _, points in methods for point in points})
        left_out = len(methods) - MOST_METHODS
        title = f"the {MOST_METHODS} best of {len(methods)} methods" if left_out > 0 else "method"
        figure.legend(title=title, loc="outside right upper", fontsize=8, title_fontsize=8, frameon=False)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("freezing rate", fontsize=9)
    axes.set_ylabel("validation accuracy, last epoch", fontsize=9)
    axes.grid(color=FAINT, linewidth=0.6)
    bare(axes)
    return png(figure)


def curves(found: Sequence[ConfigurationResult]) -> Iterator[Curve]:
    """Each method's points, densest first; without the dense trial, which has no freezing rate."""

    def method(each: ConfigurationResult) -> str:
        return each.method

    compared = [each for each in comparable(found) if each.method != "dense"]
    for name, group in groupby(sorted(compared, key=method), key=method):
        members = list(group)
        searched = [each for each in members if each.rate is None]
        points = best_per_method([each for each in members if each.rate is not None])
        points += pareto_front(searched)
        yield name, sorted(points, key=lambda point: -point.density)


def _draw(axes: Axes, number: int, method: str, points: Sequence[ConfigurationResult], aside: float) -> None:
    """A method's line. aside: by which its bars step beside those of the others, in decades."""
    widths = [point.interval.half_width if point.interval is not None else math.nan for point in points]
    seeds = any(map(math.isfinite, widths))
    axes.errorbar(
        [point.density * 10**aside if seeds else point.density for point in points],
        [point.mean for point in points],
        yerr=[width if math.isfinite(width) else 0.0 for width in widths],  # a single seed has no interval
        label=method,
        capsize=2 if seeds else 0,
        linewidth=1.4,
        linestyle=LINES[number // len(COLOURS)],
        markersize=5,
        **ink(number),
    )


def _ticks(axes: Axes, densities: set[float]) -> None:
    """Freezing rates along an axis that is logarithmic in the density, sparser to the right."""
    axes.set_xscale("log")
    axes.invert_xaxis()
    if len(densities) <= MOST_TICKS:
        axes.set_xticks(sorted(densities))
        axes.minorticks_off()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda density, _: f"{1 - density:.6g}"))
