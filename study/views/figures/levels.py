"""Accuracy against the level of the control, and what the control costs the target."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cops_core.scores import AnyScore, kind_of
from study.analysis.configurations import ConfigurationResult
from study.analysis.groups import Group, arms, at_each_rate, half_width, of_arm, over_seeds, scores_of
from study.analysis.statistics import interval
from study.records.trial import StudyTrial
from study.views.figures.style import FAINT, MARKERS, bare, note, percent_axis, score_ink, value_axis

FEWEST = 3  # finished configurations with one control: two points have no course
# Of a trial: the share of its target that is lost, by the level of its control.
Prices = dict[float, float]


def accuracy_by_level(found: Sequence[ConfigurationResult]) -> Figure | None:
    """Draw accuracy against the level: a column per freezing rate, a row per arm, the price of control below.

    A point is a configuration with one control, with its 95 % interval over several seeds. The price is the
    share of the target's sum that the mask loses to keep the control at that level. It comes from the dual
    path of the same masks: a line per target and control, with its 95 % interval over the seeds.

    Args:
        found: All configurations of the study.

    Returns:
        The figure, or None if fewer than `FEWEST` finished configurations have exactly one control.
    """
    groups = [
        Group(group.title, controlled)
        for group in at_each_rate(found)
        if (controlled := tuple(each for each in group.members if _has_one_level(each)))
    ]
    members = [each for group in groups for each in group.members]
    if len(members) < FEWEST:
        return None
    rows = [*arms(members), "price"]
    figure = Figure(figsize=(2.9 * len(groups) + 2.2, 2.3 * len(rows) + 0.6), layout="constrained")
    grid = figure.subplots(len(rows), len(groups), squeeze=False, sharex=True, sharey="row")
    for place, group in enumerate(groups):
        for line, arm in enumerate(rows[:-1]):
            _draw_accuracies(grid[line][place], of_arm(group.members, arm))
            grid[line][place].set_title(f"{arm}, {group.title}", fontsize=9)
        _draw_prices(grid[-1][place], group.members)
        grid[-1][place].set_title(f"price of control, {group.title}", fontsize=9)
        grid[-1][place].set_xlabel("level of the control", fontsize=9)
    measure = members[0].measure
    for row in grid:
        for axes in row:
            axes.set_xlim(-0.03, 1.03)
            axes.grid(color=FAINT, linewidth=0.5)
            value_axis(axes.yaxis, measure)
            bare(axes)
    for axes in grid[-1]:
        percent_axis(axes.yaxis)
    for axes in grid[:-1, 0]:
        axes.set_ylabel(measure.words, fontsize=9)
    grid[-1][0].set_ylabel("lost share of the target", fontsize=9)
    figure.legend(handles=_legend(members), loc="outside right upper", fontsize=8, frameon=False)
    note(figure, over_seeds(found))
    return figure


def prices(trial: StudyTrial) -> Prices:
    """The price of control of a trial with one control, by level; empty if its target's sum is not positive.

    With several groups of weights (scope `layer`) their targets are added.
    """
    paths = [] if trial.manifest is None else list(trial.manifest["price_of_control"].values())
    if not paths or any(len(path) != len(paths[0]) for path in paths):
        return {}
    sums: Prices = {}
    for points in zip(*paths, strict=True):
        targets = [point["target"] for point in points if point["target"] is not None]
        if len(targets) == len(points):
            sums[points[0]["level"]] = sum(targets)
    free = sums.get(0.0, 0.0)
    return {} if free <= 0 else {level: 1 - kept / free for level, kept in sums.items()}


def _has_one_level(each: ConfigurationResult) -> bool:
    """Whether it has one control, with a level: not a weight in a sum, nor a part of a union."""
    selection = each.trials[0].config.selection
    return selection is not None and selection.combine == "cops" and len(selection.controls) == 1


def _controls(each: ConfigurationResult) -> tuple[str, ...]:
    return scores_of(each)[1]


def _draw_accuracies(axes: Axes, members: Iterable[ConfigurationResult]) -> None:
    for each in members:
        selection = each.trials[0].config.selection
        assert selection is not None
        width = half_width(each)
        axes.errorbar(
            [selection.controls[0].level],
            [each.mean],
            yerr=[width] if math.isfinite(width) else None,
            linestyle="",
            markersize=5,
            elinewidth=0.9,
            color=score_ink(scores_of(each)[0])["color"],
            marker=score_ink(_controls(each)[0])["marker"],
            fillstyle="full" if selection.level_kind == "relative" else "none",
        )


def _draw_prices(axes: Axes, members: Iterable[ConfigurationResult]) -> None:
    """Draw a line per pair of scores. Trials of one seed and rate have the same line at all levels."""
    by_pair: dict[tuple[tuple[AnyScore, ...], str], dict[int, Prices]] = {}
    for each in members:
        for trial in each.trials:
            selection = trial.config.selection
            if selection is not None and selection.level_kind == "relative" and (paid := prices(trial)):
                pair = (selection.scores, selection.suffix)
                by_pair.setdefault(pair, {}).setdefault(trial.config.seed, paid)
    for (scores, _), by_seed in by_pair.items():
        target, control = map(kind_of, scores)
        levels = sorted(set.intersection(*(set(paid) for paid in by_seed.values())))
        means = [fmean(paid[level] for paid in by_seed.values()) for level in levels]
        ink = {**score_ink(target), "marker": score_ink(control)["marker"]}
        axes.plot(levels, means, linewidth=1.1, markersize=4, **ink)
        if len(by_seed) > 1:
            widths = [interval([paid[at] for paid in by_seed.values()]).half_width for at in levels]
            low = [mean - width for mean, width in zip(means, widths, strict=True)]
            high = [mean + width for mean, width in zip(means, widths, strict=True)]
            axes.fill_between(levels, low, high, color=ink["color"], alpha=0.13, linewidth=0)


def _target_label(each: ConfigurationResult) -> str:
    """`target synflow, one-shot`: the rounds are in it where they are not the published ones."""
    selection = each.trials[0].config.selection
    assert selection is not None
    return f"target {scores_of(each)[0]}{selection.rounds_suffix}"


def _legend(members: Sequence[ConfigurationResult]) -> list[Line2D]:
    """The legend: targets by colour, controls by marker."""
    targets: dict[str, set[str]] = {}
    for each in sorted(members, key=lambda each: scores_of(each)[0]):
        targets.setdefault(scores_of(each)[0], set()).add(_target_label(each))
    controls = sorted({control for each in members for control in _controls(each)})
    plain: dict[str, Any] = {"linestyle": "", "markersize": 5}
    handles = [
        Line2D([], [], color=score_ink(name)["color"], label="\n".join(sorted(labels)), linewidth=2)
        for name, labels in targets.items()
    ]
    handles += [
        Line2D([], [], color="black", marker=score_ink(name)["marker"], label=f"control {name}", **plain)
        for name in controls
    ]
    kinds = {each.trials[0].config.selection.level_kind for each in members}  # type: ignore[union-attr]
    if "absolute" in kinds:
        handles.append(
            Line2D(
                [], [], color="black", marker=MARKERS[0], fillstyle="none", label="absolute level", **plain
            )
        )
    return handles
