"""The densities of the layers, and the price of control at each level."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from study.scores.compare import Floats, MaskComparison, ScoreComparison
from study.scores.figures.titles import panel_title, set_title
from study.scores.show import layer_name
from study.views.figures.style import COLOURS, FAINT, GREY, bare, ink

WIDE = 10
"""Panels with more layers are placed below each other."""


def layers_figure(comparison: ScoreComparison) -> Figure:
    """Draw the density of each layer: a panel per density, a line per mask."""
    names, tables = list(map(layer_name, comparison.sizes)), comparison.layer_densities
    rows, columns = (len(tables), 1) if len(names) > WIDE else (1, len(tables))
    width = max(3.4, 0.32 * len(names) + 1.6)
    figure = Figure(figsize=(width * columns + 2.0, 3.0 * rows + 1.2), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).flat)
    # A logarithmic axis has no zero, so empty layers are drawn a decade below all others.
    none = 10.0 ** (np.floor(np.log10(min(table[table > 0].min() for table in tables))) - 1)
    bottom = none if any((table == 0).any() for table in tables) else 10 * none
    for axes, at, table in zip(panels, comparison.densities, tables, strict=True):
        _draw_layers(axes, table, none)
        axes.axhline(float(at.density), color=GREY, linewidth=1, linestyle=":")
        axes.set_yscale("log")
        axes.set_ylim(bottom / 1.6, 1.6)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: _percent(share, none)))
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_title(panel_title(at), fontsize=10)
        axes.grid(axis="y", color=FAINT, linewidth=0.6)
        bare(axes)
    figure.supxlabel("layer, from the images to the classes", fontsize=9)
    figure.supylabel("kept weights of the layer", fontsize=9)
    _legend(figure, comparison, Line2D([], [], color=GREY, linestyle=":", label="whole network"))
    set_title(figure, "Where do masks keep their weights?", comparison)
    return figure


def price_figure(comparison: ScoreComparison) -> Figure:
    """Draw what each control costs each target: a row of panels per density, a column per target."""
    rows, columns = len(comparison.densities), len(comparison.scores)
    figure = Figure(figsize=(2.5 * columns + 1.4, 2.3 * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for line, at in zip(grid, comparison.densities, strict=True):
        for axes, target in zip(line, comparison.scores, strict=True):
            _draw_prices(axes, comparison, at, target)
            axes.axhline(0.0, color=GREY, linewidth=1, linestyle=":")
            axes.grid(color=FAINT, linewidth=0.5)
            bare(axes)
        line[0].set_ylabel(f"density {at.density:f}\ntarget kept")
    for axes, target in zip(grid[0], comparison.scores, strict=True):
        axes.set_title(f"target {target}", fontsize=10)
    for axes in grid[-1]:
        axes.set_xlabel("level of the control", fontsize=9)
    _legend(figure, comparison, title="control")
    set_title(
        figure, "What does control cost the target?  1: the target's own mask, 0: a random mask", comparison
    )
    return figure


def _draw_layers(axes: Axes, table: Floats, none: float) -> None:
    """Draw the densities of S scores in L layers, shape (S, L). A cross is an empty layer."""
    shifts = np.linspace(-0.2, 0.2, len(table))
    for score, densities in enumerate(table):
        places, empty = np.arange(densities.size) + shifts[score], densities == 0
        drawn = np.where(empty, none, densities)
        axes.plot(places, drawn, color=COLOURS[score % len(COLOURS)], linewidth=0.8, alpha=0.5)
        axes.plot(places[~empty], drawn[~empty], linestyle="", markersize=5, **ink(score))
        axes.plot(places[empty], drawn[empty], linestyle="", **{**ink(score), "marker": "x"})


def _draw_prices(axes: Axes, comparison: ScoreComparison, at: MaskComparison, target: str) -> None:
    drawn = False
    for score, control in enumerate(comparison.scores):
        if control != target:
            price = at.prices[target, control]
            drawn |= bool(np.isfinite(price.target_above_chance).any())
            axes.plot(price.levels, price.target_above_chance, markersize=3.5, linewidth=1.2, **ink(score))
    if not drawn:
        axes.annotate(
            "all masks keep the same",
            (0.5, 0.5),
            xycoords="axes fraction",
            ha="center",
            va="center",
            color=GREY,
            fontsize=8,
        )


def _legend(figure: Figure, comparison: ScoreComparison, *more: Line2D, title: str | None = None) -> None:
    handles = [
        Line2D([], [], linewidth=1.2, markersize=5, label=name, **ink(score))
        for score, name in enumerate(comparison.scores)
    ]
    figure.legend(handles=[*handles, *more], title=title, loc="outside right center", frameon=False)


def _percent(share: float, none: float) -> str:
    """The label of a tick: `0.1 %`, or `none` where empty layers are drawn."""
    return "none" if share < 2 * none else f"{100 * share:.12f}".rstrip("0").rstrip(".") + " %"
