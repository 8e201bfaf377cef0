"""The plane of the score family: where the best targets lie, and all others."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cops_core.scores.family import MAX_POWER
from study.analysis.configurations import ConfigurationResult
from study.analysis.groups import ARMS, over_seeds
from study.analysis.regions import FamilyConfiguration, Region, all_regions
from study.views.figures.style import FAINT, MARKERS, bare, note, percent_axis

COLOURS = "cividis"
DARKEST = 0.1  # accuracies below the best of the column at which the colours end
EDGE = 0.12  # of the axes, beyond the range of the powers
SIZE = 22.0  # of a point without controls, in points squared; the same is added for each control
FEWEST = 5  # configurations: fewer dots show no region
STEP = 0.17  # between numbers of controls; functionals have a distance of 1

Spots = list[tuple[float, float, FamilyConfiguration]]


def family(found: Sequence[ConfigurationResult]) -> Figure | None:
    """Draw the powers p and r of each configuration's target: a row per functional, a column per rate.

    Colours are validation accuracies within the column, without the part that the density explains. Markers
    are arms, sizes are numbers of controls. Rings mark the best tenth of a column with enough configurations.
    Named scores that are members of the family are drawn, too. Signed scores all have p = r = 1: a last row
    shows their accuracies below the best of the column.

    Args:
        found: All configurations of the study.

    Returns:
        The figure, or None if there are fewer than `FEWEST` configurations, or only one member of the family.
    """
    columns = all_regions(found)
    members = [each for region in columns for each in region.members]
    different = {(each.functional, each.member.p, each.member.r) for each in members}
    if len(members) < FEWEST or len(different) < 2:
        return None
    planes = sorted({each.functional for each in members if not _signed(each)})
    signed = sorted({each.functional for each in members if _signed(each)})
    rows = len(planes) + bool(signed)
    figure = Figure(figsize=(2.6 * len(columns) + 2.4, 2.2 * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, len(columns), squeeze=False, sharex="row", sharey="row")
    for place, region in enumerate(columns):
        for axes, name in zip(grid[:, place], planes, strict=False):  # the last row may have signed scores
            spots = [
                (each.member.p, each.member.r, each) for each in region.members if each.functional == name
            ]
            _draw(axes, spots, region)
            axes.set_title(f"{name}\n{region.where}", fontsize=9)
        if signed:
            _draw(grid[-1][place], _below(region, signed), region)
            grid[-1][place].set_title(f"signed\n{region.where}", fontsize=9)
    _frame_planes(grid[: len(planes)])
    if signed:
        _frame_signed(grid[-1], signed)
    for axes in grid.flat:
        axes.grid(color=FAINT, linewidth=0.5)
        bare(axes)
    handles = _legend(members, ringed=any(region.best for region in columns))
    figure.legend(handles=handles, loc="outside right upper", fontsize=8, frameon=False)
    _bar(figure, list(grid.flat))
    note(figure, over_seeds(found))
    return figure


def _signed(configuration: FamilyConfiguration) -> bool:
    return configuration.member.form == "signed"


def _below(region: Region, signed: Sequence[str]) -> Spots:
    """Signed scores by functional and number of controls; accuracies below the best, down to `DARKEST`."""
    best = region.members[0].residual_accuracy
    return [
        (
            signed.index(each.functional) + STEP * (each.controls - 1.5),
            max(each.residual_accuracy - best, -DARKEST),
            each,
        )
        for each in region.members
        if _signed(each)
    ]


def _draw(axes: Axes, spots: Spots, region: Region) -> None:
    """Draw the worst first, so that the best are on top; then rings around the best tenth."""
    best = region.members[0].residual_accuracy
    for x, y, each in reversed(spots):
        axes.scatter(
            [x],
            [y],
            c=[each.residual_accuracy],
            cmap=COLOURS,
            norm=Normalize(best - DARKEST, best, clip=True),
            s=SIZE * (1 + each.controls),
            marker=_marker(each.arm),
            linewidths=0,
            alpha=0.85,
            clip_on=False,
        )
    for x, y, each in spots:
        if each in region.winners:
            axes.scatter(
                [x],
                [y],
                s=SIZE * (4 + 1.5 * each.controls),
                facecolors="none",
                edgecolors="black",
                linewidths=0.9,
                clip_on=False,
            )


def _frame_planes(grid: Any) -> None:
    """Give all axes the same range, and label the outer ones."""
    for axes in grid.flat:
        axes.set_xlim(-EDGE, MAX_POWER + EDGE)
        axes.set_ylim(-EDGE, MAX_POWER + EDGE)
    for axes in grid[:-1].flat:
        axes.tick_params(labelbottom=False)
    for axes in grid[-1:].flat:
        axes.set_xlabel("power p of the gradient", fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("power r of the weight", fontsize=9)


def _frame_signed(panels: Any, signed: Sequence[str]) -> None:
    for axes in panels:
        axes.set_xlim(-0.5, len(signed) - 0.5)
        axes.set_xticks(range(len(signed)), [name.removesuffix(" signed") for name in signed])
        axes.set_ylim(-DARKEST * (1 + EDGE / 2), DARKEST * EDGE / 2)
        percent_axis(axes.yaxis)
    panels[0].set_ylabel("below the best", fontsize=9)


def _marker(arm: str) -> str:
    return MARKERS[ARMS.index(arm)]


def _legend(members: Sequence[FamilyConfiguration], *, ringed: bool) -> list[Line2D]:
    """The legend: arms by marker, numbers of controls by size, the ring."""
    plain: dict[str, Any] = {"linestyle": "", "color": "black"}
    hollow: dict[str, Any] = {**plain, "marker": MARKERS[0], "fillstyle": "none"}
    shown = [arm for arm in ARMS if arm in {each.arm for each in members}]
    handles = [Line2D([], [], marker=_marker(arm), markersize=5, label=arm, **plain) for arm in shown]
    for count in sorted({each.controls for each in members}):
        size, words = (SIZE * (1 + count)) ** 0.5, f"{count} control{'' if count == 1 else 's'}"
        handles.append(Line2D([], [], markersize=size, label=words, **hollow))
    ring = Line2D([], [], markersize=9, label="ringed: the best tenth", **hollow)
    return [*handles, ring] if ringed else handles


def _bar(figure: Figure, panels: list[Axes]) -> None:
    """Add the colour bar: accuracies below the best of the column."""
    bar = figure.colorbar(ScalarMappable(Normalize(-DARKEST, 0.0), COLOURS), ax=panels, aspect=30)
    bar.set_label("accuracy (for its density) below the best of the column", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    percent_axis(bar.ax.yaxis)
