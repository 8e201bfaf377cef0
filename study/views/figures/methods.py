"""Test accuracy of methods at each freezing rate, with intervals, and the dense network as a band."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from cops_core.trainers import ACCURACY, Measure
from study.analysis.judged import MethodResult, MethodTable
from study.analysis.statistics import Interval
from study.views.figures.style import (
    ASIDE,
    EDGE,
    FAINT,
    GREY,
    MARKERS,
    STYLES,
    bare,
    ink,
    note,
    rate_axis,
    value_axis,
)

MOST_METHODS = 12  # of a panel; more cannot be distinguished
LONGEST = 44  # letters of a name; the middle of a longer one is left out
LETTER = 0.075  # inches of a letter in the legend

# By the density, in (0, 1]: the mean on the test part.
Line = Sequence[tuple[float, Interval]]


@dataclass(frozen=True)
class Panel:
    """The methods of one network.

    Attributes:
        title: The title.
        lines: The points of each method, by its name.
        dense: The dense network; None without it.
        baseline: The method that is always drawn; empty for none.
    """

    title: str
    lines: Mapping[str, Line]
    dense: Interval | None = None
    baseline: str = ""


def methods_by_rate(table: MethodTable) -> Figure | None:
    """Draw the methods of a study; None if nothing was evaluated on the test part."""
    panels = [_panel(table, subject) for subject in table.subjects]
    shown = [panel for panel in panels if panel.lines or panel.dense is not None]
    return draw_methods(shown, table.measure) if table.is_judged and shown else None


def draw_methods(panels: Sequence[Panel], measure: Measure = ACCURACY) -> Figure:
    """Draw a panel for each network: a line for each method over the freezing rates.

    The axis is logarithmic in the density. With one rate there is a row for each method instead. At most
    `MOST_METHODS` of a panel are drawn, those with the best means, and the baseline; the title then says so.

    Args:
        panels: One or more.
        measure: What was measured on the test part.

    Returns:
        The figure.
    """
    panels = [_drawn(panel, measure) for panel in panels]
    one_rate = all(len(_densities(panel)) < 2 for panel in panels)
    rows = max(len(panel.lines) for panel in panels)
    methods = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    height = 1.5 + 0.28 * max(rows, 3) if one_rate else 4.2
    width = (
        6.4 * len(panels)
        if one_rate
        else 5.2 * len(panels) + LETTER * min(max(map(len, methods), default=0), LONGEST)
    )
    figure = Figure(figsize=(width, height), layout="constrained")
    labels: dict[str, ErrorbarContainer] = {}
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        if one_rate:
            _draw_rows(axes, panel, methods, measure)
        else:
            labels |= _draw_lines(axes, panel, methods, measure)
        axes.set_title(panel.title, fontsize=9)
        axes.grid(color=FAINT, linewidth=0.6)
        bare(axes)
    counts = sorted({found.count for panel in panels for found in _all(panel)})
    seeds = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]} to {counts[-1]}"
    if labels:
        handles = [labels[name] for name in methods]
        figure.legend(handles=handles, loc="outside right upper", fontsize=8, frameon=False)
    note(figure, f"means over {seeds} fresh seeds with 95 % intervals (Student's t)")
    return figure


def _panel(table: MethodTable, subject: str) -> Panel:
    def belongs(row: MethodResult) -> bool:
        return row.judged is not None and row.judged.trials[0].config.subject == subject

    rows = [row for row in table.rows if row.test is not None and belongs(row)]
    lines: dict[str, list[tuple[float, Interval]]] = {}
    for row in rows:
        if row.rate is not None and row.test is not None:
            lines.setdefault(row.method, []).append((float(1 - row.rate), row.test))
    dense = next((row.test for row in rows if row.rate is None), None)
    return Panel(subject, lines, dense, table.baseline or "")


def _all(panel: Panel) -> list[Interval]:
    points = [found for line in panel.lines.values() for _, found in line]
    return points if panel.dense is None else [*points, panel.dense]


def _densities(panel: Panel) -> list[float]:
    return sorted({density for line in panel.lines.values() for density, _ in line})


def _drawn(panel: Panel, measure: Measure) -> Panel:
    """The panel with the lines that are drawn, in its order, and with a title that says which."""

    def quality(name: str) -> float:
        return float(np.mean([measure.quality(found.mean) for _, found in panel.lines[name]]))

    if len(panel.lines) <= MOST_METHODS:
        return panel
    ranked = sorted(panel.lines, key=quality, reverse=True)
    shown, title = ranked[:MOST_METHODS], f"{panel.title}, the best {MOST_METHODS} of {len(ranked)} methods"
    if panel.baseline in ranked[MOST_METHODS:]:
        shown.append(panel.baseline)
        title += ", and the baseline"
    lines = {name: line for name, line in panel.lines.items() if name in shown}
    return replace(panel, title=title, lines=lines)


def _draw_lines(
    axes: Axes, panel: Panel, methods: Sequence[str], measure: Measure
) -> dict[str, ErrorbarContainer]:
    """A line for each method, returned by its name; the freezing rate grows to the right."""
    labels: dict[str, ErrorbarContainer] = {}
    if panel.dense is not None:
        axes.axhline(panel.dense.mean, color=GREY, linewidth=1, linestyle="--")
        axes.axhspan(*_ends(panel.dense), color=GREY, alpha=0.13, linewidth=0)
        where, units = (0.005, panel.dense.mean), ("axes fraction", "data")
        axes.annotate("dense", where, xycoords=units, color=GREY, fontsize=8, va="bottom")
    for place, (method, line) in enumerate(panel.lines.items()):
        points = sorted(line, key=lambda point: -point[0])
        aside = 10 ** (ASIDE * (place - (len(panel.lines) - 1) / 2))
        number = methods.index(method)
        labels[method] = axes.errorbar(
            [density * aside for density, _ in points],
            [found.mean for _, found in points],
            yerr=[_width(found) for _, found in points],
            label=_short(method),
            capsize=2,
            linewidth=1.4,
            linestyle=STYLES[number // len(MARKERS) % len(STYLES)],
            markersize=5,
            **ink(number),
        )
    densities = _densities(panel)
    if densities:
        rate_axis(axes, densities)
    axes.set_xlabel("freezing rate", fontsize=9)
    axes.set_ylabel(_label(measure), fontsize=9)
    value_axis(axes.yaxis, measure)
    if measure.share:
        axes.set_ylim(*_limits(panel))
    return labels


def _draw_rows(axes: Axes, panel: Panel, methods: Sequence[str], measure: Measure) -> None:
    """A row for each method of a single rate, the best above."""
    if panel.dense is not None:
        axes.axvline(panel.dense.mean, color=GREY, linewidth=1, linestyle="--")
        axes.axvspan(*_ends(panel.dense), color=GREY, alpha=0.13, linewidth=0)
        where, units = (panel.dense.mean, 1.0), ("data", "axes fraction")
        axes.annotate("dense", where, xycoords=units, color=GREY, fontsize=8, ha="center", va="bottom")
    for place, (method, line) in enumerate(panel.lines.items()):
        ((_, found),) = line
        own = ink(methods.index(method))
        axes.errorbar([found.mean], [place], xerr=[_width(found)], capsize=2, markersize=5, **own)
    axes.set_yticks(range(len(panel.lines)), [_short(method) for method in panel.lines])
    axes.set_ylim(len(panel.lines) - 0.5, -0.7)
    rates = ", ".join(f"{1 - density:.6g}" for density in _densities(panel))
    axes.set_xlabel(f"{_label(measure)}{f', at a freezing rate of {rates}' if rates else ''}", fontsize=9)
    value_axis(axes.xaxis, measure)
    if measure.share:
        axes.set_xlim(*_limits(panel))


def _label(measure: Measure) -> str:
    return f"test {measure.noun}, mean and 95 % interval"


def _width(found: Interval) -> float:
    """Half the width of the interval; none for a single seed."""
    return found.half_width if found.count > 1 else 0.0


def _ends(found: Interval) -> tuple[float, float]:
    return found.mean - _width(found), found.mean + _width(found)


def _limits(panel: Panel) -> tuple[float, float]:
    """All intervals, but not far beyond [0, 1]: those of few seeds may be wide."""
    ends = [end for found in _all(panel) for end in _ends(found)]
    low, high = max(min(ends), 0.0), min(max(ends), 1.0)
    return low - max(EDGE, 0.05 * (high - low)), high + max(EDGE, 0.05 * (high - low))


def _short(name: str) -> str:
    """A name in at most `LONGEST` letters. Without `$` it is not read as a formula."""
    half = LONGEST // 2
    text = name if len(name) <= LONGEST else f"{name[: half - 1]} ... {name[-half + 4 :]}"
    return text.replace("$", r"\$")
