"""Accuracy against the size of the stored network, and the Pareto front of both."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from search_spaces.question.pareto import pareto_front
from study.analysis.configurations import ConfigurationResult, comparable
from study.analysis.groups import ARMS, half_width, networks, over_seeds
from study.views.figures.style import FAINT, GREY, bare, ink, note, value_axis

DENSE = "dense"
FEWEST = 3  # finished configurations: two points have no front between them


def accuracy_by_bytes(found: Sequence[ConfigurationResult]) -> Figure | None:
    """Draw every comparable configuration, and the Pareto front: a panel per network.

    Bytes are those of the stored network, the mean over the seeds, on a logarithmic axis. Bars are 95 %
    intervals over several seeds, only on the front.

    Args:
        found: All configurations of the study.

    Returns:
        The figure, or None if fewer than `FEWEST` configurations have finished.
    """
    panels = {
        network: [each for each in comparable(members) if not math.isnan(each.stored_bytes)]
        for network, members in networks(found).items()
    }
    panels = {network: members for network, members in panels.items() if members}
    if sum(map(len, panels.values())) < FEWEST:
        return None
    figure = Figure(figsize=(5.6 * len(panels) + 1.6, 4.2), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    present = []
    for axes, (network, members) in zip(grid, panels.items(), strict=True):
        for number, arm in enumerate((*ARMS, DENSE)):
            of_arm = [each for each in members if each.trials[0].config.arm == arm]
            if of_arm:
                present.append((number, arm))
                sizes, means = [each.stored_bytes for each in of_arm], [each.mean for each in of_arm]
                axes.plot(sizes, means, linestyle="", markersize=4.5, alpha=0.55, label=arm, **ink(number))
        _draw_front(axes, pareto_front(members, "bytes"))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(EngFormatter(unit="B"))
        axes.set_xlabel("size of the stored network", fontsize=9)
        axes.set_ylabel(f"{members[0].measure.words}, last epoch", fontsize=9)
        axes.set_title(network, fontsize=10)
        axes.grid(color=FAINT, linewidth=0.6)
        value_axis(axes.yaxis, members[0].measure)
        bare(axes)
    handles = [
        Line2D([], [], linestyle="", label=arm, markersize=5, **ink(number))
        for number, arm in sorted(set(present))
    ]
    handles.append(Line2D([], [], color=GREY, linewidth=1.2, label="Pareto front"))
    figure.legend(handles=handles, loc="outside right upper", fontsize=8, frameon=False)
    note(figure, over_seeds(found))
    return figure


def _draw_front(axes: Axes, front: Sequence[ConfigurationResult]) -> None:
    sizes, means = [each.stored_bytes for each in front], [each.mean for each in front]
    # A step is what a budget of bytes buys: a point's accuracy, up to the size of the next point.
    axes.plot(sizes, means, color=GREY, linewidth=1.2, drawstyle="steps-pre")
    widths = [half_width(each) for each in front]
    finite = [width if math.isfinite(width) else 0.0 for width in widths]
    axes.errorbar(sizes, means, yerr=finite, fmt="none", ecolor=GREY, elinewidth=1.0, capsize=2)
