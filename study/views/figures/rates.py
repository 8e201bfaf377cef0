"""Accuracy against the freezing rate: a panel per arm, lines per target with and without control."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cops_core.trainers import Measure
from search_spaces.question.pareto import pareto_front
from search_spaces.question.rates import best_per_method
from study.analysis.configurations import ConfigurationResult, comparable
from study.analysis.groups import arms, dense_of, half_width, networks, of_arm, over_seeds, scores_of
from study.views.figures.style import (
    ASIDE,
    EDGE,
    FAINT,
    GREY,
    STYLES,
    bare,
    note,
    rate_axis,
    score_ink,
    value_axis,
)

FEWEST = 2  # finished configurations with a mask: a single point compares nothing
MOST_LINES = 12  # of a panel; more cannot be distinguished
ZOOM = 0.15  # range of accuracies below the best that a second row of panels shows


@dataclass(frozen=True)
class Curve:
    """The best configurations of a target at each density.

    Attributes:
        target: The kind of the target score.
        combine: How the configurations' controls are combined with it, `cops`; empty without controls.
        suffix: See `Selection.suffix`.
        points: The configurations, densest first.
    """

    target: str
    combine: str
    suffix: str
    points: tuple[ConfigurationResult, ...]

    @property
    def label(self) -> str:
        """`snip` or `cops(snip; best control)`, and the suffix."""
        scores = f"{self.combine}({self.target}; best control)" if self.controlled else self.target
        return scores + self.suffix

    @property
    def controlled(self) -> bool:
        """Whether the configurations have a control."""
        return bool(self.combine)

    @property
    def quality(self) -> float:
        """The mean accuracy of its points. Lines are chosen by it; of another measure, by its quality."""
        return fmean(point.quality for point in self.points)


def accuracy_by_rate(found: Sequence[ConfigurationResult]) -> Figure | None:
    """Draw validation accuracy against the freezing rate, on an axis that is logarithmic in the density.

    A point is the line's best configuration at that rate. Without rates as an axis it is a configuration of
    the line's Pareto front of accuracy and density. Bands are 95 % intervals of the mean over several seeds.

    Args:
        found: All configurations of the study.

    Returns:
        The figure, or None if fewer than `FEWEST` configurations with a mask have finished.
    """
    if sum(each.method != "dense" for each in comparable(found)) < FEWEST:
        return None
    panels = [
        (network, arm, members)
        for network, members in networks(found).items()
        for arm in arms(comparable(members)) or [""]
        if dense_of(members) is not None or arm
    ]
    if not panels:
        return None
    measure = found[0].measure
    rows = 2 if measure.share and any(_is_wide(members) for _, _, members in panels) else 1
    figure = Figure(figsize=(4.1 * len(panels) + 2.6, 3.7 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, len(panels), squeeze=False, sharex="col", sharey="row")
    labels: dict[str, Line2D] = {}
    for column, (network, arm, members) in zip(grid.T, panels, strict=True):
        where = "" if len(networks(found)) == 1 else f"\n{network}"
        for axes in column:
            labels |= _panel(axes, of_arm(members, arm), dense_of(members), measure)
        left_out = column[0].get_title()
        column[0].set_title(f"{arm or 'dense'}{left_out}{where}", fontsize=10)
        column[-1].set_xlabel("freezing rate", fontsize=9)
    for axes in grid[1:].flat:
        axes.set_title("the same, near the dense network", fontsize=9)
    for axes in grid[0] if measure.share else ():  # the interval of few seeds may extend beyond [0, 1]
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -EDGE), min(high, 1 + EDGE))
    if rows > 1:
        tops = [max(each.mean for each in comparable(members)) for _, _, members in panels]
        grid[1][0].set_ylim(min(tops) - ZOOM, max(tops) + 0.1 * ZOOM)
    for axes in grid[:, 0]:
        axes.set_ylabel(f"{measure.words}, last epoch", fontsize=9)
    note(figure, over_seeds(found))
    if labels:
        shown = [labels[name] for name in sorted(labels)]
        figure.legend(handles=shown, loc="outside right upper", fontsize=8, frameon=False, handlelength=3)
    return figure


def _is_wide(members: Sequence[ConfigurationResult]) -> bool:
    """Whether the accuracies differ so much that those near the dense network's need their own panels."""
    means = [each.mean for each in comparable(members)]
    return max(means) - min(means) > 2 * ZOOM


def _panel(
    axes: Axes,
    members: Sequence[ConfigurationResult],
    dense: ConfigurationResult | None,
    measure: Measure,
) -> dict[str, Line2D]:
    """Draw the lines of an arm, and return them by label. The title says how many are left out."""
    lines = sorted(curves(members), key=lambda line: -line.quality)
    drawn = lines[:MOST_LINES]
    places = sorted({point.density for line in drawn for point in line.points})
    labels = {}
    for number, line in enumerate(drawn):
        aside = 10 ** (ASIDE * (number - (len(drawn) - 1) / 2))
        labels[line.label] = _draw(axes, line, _style(line, lines), places, aside)
    _draw_dense(axes, dense)
    if places:
        rate_axis(axes, places)
    if len(lines) > MOST_LINES:
        axes.set_title(f", the best {MOST_LINES} of {len(lines)} lines")
    axes.grid(color=FAINT, linewidth=0.6)
    value_axis(axes.yaxis, measure)
    bare(axes)
    return labels


def curves(found: Sequence[ConfigurationResult]) -> Iterator[Curve]:
    """The lines of comparable configurations: one per target with control, one without."""

    def line(each: ConfigurationResult) -> tuple[str, str, str]:
        target, controls = scores_of(each)
        selection = each.trials[0].config.selection
        assert selection is not None
        return target, selection.combine if controls else "", selection.suffix

    compared = [each for each in comparable(found) if each.method != "dense"]
    for (target, combine, suffix), group in groupby(sorted(compared, key=line), key=line):
        yield Curve(target, combine, suffix, tuple(_best(list(group))))


def _best(members: Sequence[ConfigurationResult]) -> list[ConfigurationResult]:
    """The best at each rate, densest first; without rates, the Pareto front."""
    best: dict[float, ConfigurationResult] = {}
    for each in best_per_method([each for each in members if each.rate is not None]):
        if each.density not in best or each.quality > best[each.density].quality:
            best[each.density] = each
    points = [*best.values(), *pareto_front([each for each in members if each.rate is None])]
    return sorted(points, key=lambda point: -point.density)


def _style(line: Curve, lines: Sequence[Curve]) -> str:
    """The dashes that distinguish the lines of one target. Without control the line is solid."""
    same = sorted((each for each in lines if each.target == line.target), key=lambda each: each.label)
    alone_first = sorted(same, key=lambda each: (each.controlled, bool(each.suffix)))
    return STYLES[alone_first.index(line) % len(STYLES)]


def _draw(axes: Axes, line: Curve, style: str, places: Sequence[float], aside: float) -> Line2D:
    """Draw a line, with a gap where a rate of other lines is missing. aside: factor of its densities."""
    axis = any(point.rate is not None for point in line.points)
    by_density = {point.density: point for point in line.points}
    at = [density for density in places if axis or density in by_density]
    points = [by_density.get(density) for density in at]
    means = [math.nan if point is None else point.mean for point in points]
    widths = [math.nan if point is None else half_width(point) for point in points]
    shown = [density * aside for density in at] if axis else at
    ink = score_ink(line.target)
    if any(map(math.isfinite, widths)):
        low = [mean - width for mean, width in zip(means, widths, strict=True)]
        high = [mean + width for mean, width in zip(means, widths, strict=True)]
        axes.fill_between(shown, low, high, color=ink["color"], alpha=0.13, linewidth=0)
        axes.vlines(shown, low, high, color=ink["color"], linewidth=0.9)
    # Single points, without a line, are only distinguished by their filling.
    filling = "white" if line.controlled else ink["color"]
    (drawn,) = axes.plot(
        shown,
        means,
        label=line.label,
        linewidth=1.5,
        linestyle=style,
        markersize=4.5,
        markerfacecolor=filling,
        **ink,
    )
    return drawn


def _draw_dense(axes: Axes, dense: ConfigurationResult | None) -> None:
    if dense is None:
        return
    axes.axhline(dense.mean, color=GREY, linewidth=1, linestyle=":")
    width = half_width(dense)
    if math.isfinite(width):
        axes.axhspan(dense.mean - width, dense.mean + width, color=GREY, alpha=0.13, linewidth=0)
    place, units = (0.01, dense.mean), ("axes fraction", "data")
    axes.annotate("dense", place, xycoords=units, color=GREY, fontsize=8, va="bottom")
