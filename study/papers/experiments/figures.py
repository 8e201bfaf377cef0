"""Figures of experiments."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from study.analysis.statistics import Interval
from study.views.figures.style import FAINT, GREY, bare, ink, png

Curves = Mapping[str, Sequence[tuple[float, Interval]]]


def accuracy_by_rate(panels: Mapping[str, Curves], dense: Mapping[str, float]) -> bytes:
    """Test accuracy against the density, with a panel for each setting and a line for each method.

    Args:
        panels: By title and method, (density, accuracy) points.
        dense: By title, the accuracy of the dense network.

    Returns:
        The figure as PNG.
    """
    figure = Figure(figsize=(5.2 * len(panels), 4.2), layout="constrained")
    all_axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, curves) in zip(all_axes, panels.items(), strict=True):
        axes.axhline(dense[title], color=GREY, linewidth=1, linestyle="--")
        axes.annotate(
            "dense",
            (0.005, dense[title]),
            xycoords=("axes fraction", "data"),
            color=GREY,
            fontsize=8,
            va="bottom",
        )
        for number, (method, points) in enumerate(curves.items()):
            densities = [density for density, _ in points]
            means = [found.mean for _, found in points]
            widths = [found.half_width for _, found in points]
            axes.errorbar(
                densities,
                means,
                yerr=widths,
                label=method,
                capsize=2,
                linewidth=1.4,
                markersize=5,
                **ink(number),
            )
        axes.set_xscale("log")
        axes.invert_xaxis()
        axes.set_xticks(densities)
        axes.minorticks_off()
        axes.xaxis.set_major_formatter(FuncFormatter(lambda density, _: f"{1 - density:.4g}"))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_ylim(0, 1)
        axes.grid(color=FAINT, linewidth=0.6)
        axes.set_xlabel("freezing rate", fontsize=9)
        axes.set_ylabel("test accuracy, mean and 95 % interval", fontsize=9)
        axes.set_title(title, fontsize=9)
        axes.legend(fontsize=8, frameon=False, loc="lower left")
        bare(axes)
    return png(figure)
