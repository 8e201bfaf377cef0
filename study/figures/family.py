"""The plane of the score family: where the best targets lie, and where all that were drawn."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from cops_core.scores.family import HIGHEST_POWER
from study.configurations import ConfigurationResult
from study.figures.groups import ARMS, over_seeds
from study.figures.regions import Placed, all_regions
from study.figures.style import FAINT, MARKERS, bare, note

COLOURS = "cividis"
DARKEST = 0.1  # accuracies below the best of a panel's column, from which on all is equally dark
EDGE = 0.12  # of the axes beyond the powers there are
SIZE = 22.0  # of a point without controls, in points squared; as much again for each control
FEWEST_PLACES = 2  # of the plane: a single score shows no region


def family(found: Sequence[ConfigurationResult]) -> Figure | None:
    """The powers p and r of each configuration's target: a row per functional, a column per freezing rate.

    Colours are validation accuracies within the column, less what the density explains; markers are arms,
    sizes numbers of controls; the best tenth of the column is ringed, where there are enough to say. Named
    scores that are members of the family have their place. None where all targets lie at one place, or
    outside the family.
    """
    columns = all_regions(found)
    members = [each for region in columns for each in region.members]
    if len({(each.functional, each.member.p, each.member.r) for each in members}) < FEWEST_PLACES:
        return None
    rows = sorted({each.functional for each in members})
    figure = Figure(figsize=(2.6 * len(columns) + 2.4, 2.2 * len(rows) + 0.7), layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False, sharex=True, sharey=True)
    for place, region in enumerate(columns):
        best = region.members[0].merit
        scale = Normalize(best - DARKEST, best, clip=True)
        for line, name in enumerate(rows):
            axes = grid[line][place]
            _draw(axes, [each for each in region.members if each.functional == name], scale)
            _ring(axes, [each for each in region.winners if each.functional == name])
            axes.set_title(f"{name}\n{region.where}", fontsize=9)
    for axes in grid.flat:
        axes.set_xlim(-EDGE, HIGHEST_POWER + EDGE)
        axes.set_ylim(-EDGE, HIGHEST_POWER + EDGE)
        axes.grid(color=FAINT, linewidth=0.5)
        bare(axes)
    for axes in grid[-1]:
        axes.set_xlabel("power p of the gradient", fontsize=9)
    for axes in grid[:, 0]:
        axes.set_ylabel("power r of the weight", fontsize=9)
    handles = _legend(members, ringed=any(region.best for region in columns))
    figure.legend(handles=handles, loc="outside right upper", fontsize=8, frameon=False)
    _bar(figure, list(grid.flat))
    note(figure, over_seeds(found))
    return figure


def _draw(axes: Axes, members: Sequence[Placed], scale: Normalize) -> None:
    """The worst first, so that the best lie on top."""
    for each in reversed(members):
        axes.scatter(
            [each.member.p],
            [each.member.r],
            c=[each.merit],
            cmap=COLOURS,
            norm=scale,
            s=SIZE * (1 + each.controls),
            marker=_marker(each.arm),
            linewidths=0,
            alpha=0.85,
            clip_on=False,
        )


def _ring(axes: Axes, winners: Sequence[Placed]) -> None:
    for each in winners:
        axes.scatter(
            [each.member.p],
            [each.member.r],
            s=SIZE * (4 + 1.5 * each.controls),
            facecolors="none",
            edgecolors="black",
            linewidths=0.9,
            clip_on=False,
        )


def _marker(arm: str) -> str:
    return MARKERS[ARMS.index(arm)]


def _legend(members: Sequence[Placed], *, ringed: bool) -> list[Line2D]:
    """Arms by marker, numbers of controls by size, the ring."""
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
    """Accuracies below the best of the column."""
    bar = figure.colorbar(ScalarMappable(Normalize(-DARKEST, 0.0), COLOURS), ax=panels, aspect=30)
    bar.set_label("accuracy (for its density) below the best of the column", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))
