"""Where the best masks keep their weights: the density of each layer."""

from collections.abc import Sequence
from statistics import fmean

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from search_spaces.question.rates import best_per_method
from study.analysis.configurations import ConfigurationResult
from study.analysis.groups import Group, at_each_rate
from study.views.figures.style import FAINT, note, percent_axis

FEWEST = 1  # masks: a single one already shows where its weights are
MOST_METHODS = 6  # of a freezing rate
MOST_LABELLED = 12  # layers up to which the densities are written into the cells
MOST_BESIDE = 4  # layers up to which their names are beside each other, not upright
BRIGHT = 0.55
MOST_LETTERS, LETTER = 45, 0.062  # letters of a label that fit, and inches for each further one
SUFFIX = ".weight"
Floats = NDArray[np.float64]


def layer_densities(each: ConfigurationResult) -> dict[str, float]:
    """The kept share of each layer's weights, the mean over the seeds; in the network's order."""
    tables = [table for trial in each.trials if (table := trial.layer_densities)]
    return {layer: fmean(table[layer] for table in tables) for layer in (tables[0] if tables else {})}


def best_masks(group: Group) -> list[ConfigurationResult]:
    """The best configuration with a mask of each method, the best first; at most `MOST_METHODS`."""
    best = [each for each in best_per_method(group.members) if layer_densities(each)]
    return sorted(best, key=lambda each: -each.quality)[:MOST_METHODS]


def layers(found: Sequence[ConfigurationResult]) -> Figure | None:
    """Draw a panel per freezing rate: a row per method, a column per layer. None if there is no mask."""
    groups = [(group, best) for group in at_each_rate(found) if (best := best_masks(group))]
    if len(groups) < FEWEST:
        return None
    tables = [_table(best) for _, best in groups]
    least = min((float(table[table > 0].min()) for table in tables if (table > 0).any()), default=1.0)
    widest, rows = max(table.shape[1] for table in tables), sum(len(table) for table in tables)
    longest = max(len(_label(each)) for _, best in groups for each in best)
    names_width = 4.6 + LETTER * max(0, longest - MOST_LETTERS)
    size = (
        names_width + max(2.4, 0.55 * min(widest, MOST_LABELLED), 0.3 * widest),
        0.25 * rows + 0.75 * len(tables) + sum(_height(best) for _, best in groups),
    )
    figure = Figure(figsize=size, layout="constrained")
    heights = [len(table) for table in tables]
    grid = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    scale = LogNorm(min(least, 0.5), 1.0)
    for axes, (group, best), table in zip(grid, groups, tables, strict=True):
        axes.set_facecolor(FAINT)
        shown = np.ma.masked_invalid(np.where(table > 0, table, np.nan))
        image = axes.imshow(shown, cmap="cividis", norm=scale, aspect="auto")
        names = _layers(best)
        axes.set_xticks(range(len(names)), names, fontsize=8, rotation=90 if _are_upright(names) else 0)
        axes.set_yticks(range(len(best)), [_label(each) for each in best], fontsize=8)
        axes.set_title(group.title, fontsize=9, loc="left")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        for (row, column), share in np.ndenumerate(table) if len(names) <= MOST_LABELLED else ():
            colour = "white" if share > 0 and scale(share) < BRIGHT else "black"
            if not np.isnan(share):
                text = "none" if share == 0 else f"{100 * share:.3g} %"
                axes.text(column, row, text, ha="center", va="center", fontsize=7, color=colour)
    most = max(len(each.trials) for _, best in groups for each in best)
    note(figure, "one seed each" if most == 1 else f"shares and accuracies are means over {most} seeds")
    bar = figure.colorbar(image, ax=list(grid), aspect=30)
    bar.set_label("kept share of the layer's weights", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    percent_axis(bar.ax.yaxis)
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    return figure


def _label(each: ConfigurationResult) -> str:
    spec = ".1%" if each.measure.share else each.measure.spec
    return f"{each.method}  {each.mean:{spec}}"


def _names(best: Sequence[ConfigurationResult]) -> list[str]:
    """The layers of all masks: conventions differ in which parameters are pruned."""
    return list(dict.fromkeys(layer for each in best for layer in layer_densities(each)))


def _layers(best: Sequence[ConfigurationResult]) -> list[str]:
    """The layers of all masks as they are written below the columns."""
    return [layer.removesuffix(SUFFIX) for layer in _names(best)]


def _are_upright(layers: Sequence[str]) -> bool:
    return len(layers) > MOST_BESIDE


def _height(best: Sequence[ConfigurationResult]) -> float:
    """Inches for the names of layers, where they are upright."""
    layers = _layers(best)
    return LETTER * max(map(len, layers)) if _are_upright(layers) else 0.0


def _table(best: Sequence[ConfigurationResult]) -> Floats:
    """Kept shares, a row per mask, a column per layer; NaN for a layer that a mask does not have."""
    densities = [layer_densities(each) for each in best]
    return np.array([[each.get(layer, np.nan) for layer in _names(best)] for each in densities])
