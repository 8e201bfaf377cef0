"""Target against control: the accuracy of the best configuration of each pair of scores."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from study.analysis.configurations import ConfigurationResult
from study.analysis.groups import arms, at_each_rate, half_width, of_arm, over_seeds, scores_of
from study.views.figures.style import FAINT, note

FEWEST = 2  # different pairs or single targets at one rate and arm: one alone has nothing to go beside
ALONE = "alone"
COLOURS = "cividis"  # from dark to light, also for colour-blind readers
DARKEST = 0.1  # accuracies below the best of a rate at which the colours end
BRIGHT = 0.55  # of the colour scale: text is white below, black above

# The best configuration of each pair, and how many there are.
Cells = dict[tuple[str, str], tuple[ConfigurationResult, int]]


def pairs(found: Sequence[ConfigurationResult]) -> Figure | None:
    """Draw the mean accuracy of the best configuration of each target and control: a row of panels per arm.

    There is a column per freezing rate. Within it colours are comparable; they end ten points below its best.
    A cell has the accuracy in per cent, half the width of its 95 % interval over several seeds, the number
    of configurations from which it was chosen, and the rounds where they are not the target's published
    ones: `one-shot`.

    Args:
        found: All configurations of the study.

    Returns:
        The figure, or None if no finished configuration has a control, or if no panel has `FEWEST` cells.
    """
    groups = at_each_rate(found)
    members = [each for group in groups for each in group.members]
    controls = sorted({control for each in members for control in scores_of(each)[1]})
    panels = [_cells(of_arm(group.members, arm)) for group in groups for arm in arms(group.members)]
    if not controls or max(map(len, panels)) < FEWEST:
        return None
    targets = sorted({scores_of(each)[0] for each in members})
    columns, rows = [ALONE, *controls], arms(members)
    size = (0.72 * len(columns) * len(groups) + 1.9, (0.62 * len(targets) + 1.0) * len(rows) + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), len(groups), squeeze=False, sharex=True, sharey=True)
    for place, group in enumerate(groups):
        best = max(each.mean for each in group.members)
        scale = Normalize(best - DARKEST, best, clip=True)
        for line, arm in enumerate(rows):
            axes = grid[line][place]
            _draw(axes, _cells(of_arm(group.members, arm)), targets, columns, scale)
            axes.set_title(f"{arm}, {group.title}", fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("target", fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel("control", fontsize=9)
    note(figure, over_seeds(found))
    return figure


def _cells(members: Sequence[ConfigurationResult]) -> Cells:
    cells: Cells = {}
    for each in members:
        target, controls = scores_of(each)
        for control in dict.fromkeys(controls) or (ALONE,):
            best, count = cells.get((target, control), (each, 0))
            cells[target, control] = (each if each.mean > best.mean else best, count + 1)
    return cells


def _draw(axes: Axes, cells: Cells, targets: Sequence[str], columns: Sequence[str], scale: Normalize) -> None:
    values = np.full((len(targets), len(columns)), np.nan)
    for (target, control), (best, _) in cells.items():
        values[targets.index(target), columns.index(control)] = best.mean
    axes.set_facecolor(FAINT)
    axes.imshow(np.ma.masked_invalid(values), cmap=COLOURS, norm=scale, aspect="auto")
    for (target, control), (best, count) in cells.items():
        colour = "white" if scale(best.mean) < BRIGHT else "black"
        place = columns.index(control), targets.index(target)
        axes.text(*place, _cell_text(best, count), ha="center", va="center", fontsize=6.5, color=colour)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(targets)), targets, fontsize=8)
    axes.axvline(0.5, color="white", linewidth=2)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _cell_text(best: ConfigurationResult, count: int) -> str:
    width = half_width(best)
    selection = best.trials[0].config.selection
    assert selection is not None
    rounds = selection.rounds_suffix.replace(", ", "\n")
    interval = f"\n±{100 * width:.1f}" if math.isfinite(width) else ""
    tried = f"\nof {count}" if count > 1 else ""
    return f"{100 * best.mean:.1f}{interval}{tried}{rounds}"
