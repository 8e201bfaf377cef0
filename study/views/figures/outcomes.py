"""How the trials of each method ended."""

from collections import Counter
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from study.analysis.configurations import ConfigurationResult
from study.records.trial import Status
from study.views.figures.style import FAINT, bare

# Okabe and Ito's colours, each with a hatch: adjacent bars can be distinguished in print, too.
STYLES: Mapping[Status, tuple[str, str]] = {
    "finished": ("#bbbbbb", ""),
    "stopped": ("#56B4E9", "//"),
    "collapsed": ("#E69F00", ".."),
    "infeasible": ("#F0E442", "xx"),
    "rejected": ("#F0E442", "oo"),
    "diverged": ("#CC79A7", "\\\\"),
    "failed": ("#D55E00", "++"),
    "out_of_memory": ("#000000", ""),
    "killed": ("#666666", "||"),
    "interrupted": ("#009E73", "--"),
    "running": ("#0072B2", ""),
}
MOST_METHODS = 40
FEWEST = 4  # trials: fewer are read faster in the table of those that did not finish


def outcomes(found: Sequence[ConfigurationResult]) -> Figure | None:
    """Draw the trials of each method by status; methods with most unfinished trials come first.

    Args:
        found: All configurations of the study. At most `MOST_METHODS` methods are drawn.

    Returns:
        The figure, or None if all trials have finished, or if there are fewer than `FEWEST`.
    """
    counts: dict[str, Counter[Status]] = {}
    for each in found:
        counts.setdefault(each.method, Counter()).update(trial.status for trial in each.trials)
    if all(set(count) <= {"finished"} for count in counts.values()):
        return None
    if sum(count.total() for count in counts.values()) < FEWEST:
        return None
    methods = sorted(counts, key=lambda method: (counts[method]["finished"] - counts[method].total(), method))
    methods = methods[:MOST_METHODS]
    figure = Figure(figsize=(7.6, 0.2 * len(methods) + 1.0), layout="constrained")
    axes = figure.subplots()
    left = dict.fromkeys(methods, 0)
    for status, (colour, hatch) in STYLES.items():
        widths = [counts[method][status] for method in methods]
        if any(widths):
            offsets = [left[method] for method in methods]
            name = status.replace("_", " ")
            axes.barh(
                methods,
                widths,
                left=offsets,
                label=name,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                height=0.8,
            )
            left = {method: left[method] + counts[method][status] for method in methods}
    axes.invert_yaxis()
    axes.set_xlabel("trials", fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    bare(axes)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    return figure
