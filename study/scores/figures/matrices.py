"""Pairs of scores as coloured matrices with numbers."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from study.scores.compare import Floats, ScoreComparison
from study.scores.figures.titles import panel_title, set_title
from study.scores.show import two_digits
from study.views.figures.style import FAINT

LUMINANCE = np.array([0.299, 0.587, 0.114, 0.0])

# For colour-blind readers, too: from red to blue for values with a sign, else from dark to light.
SIGNED, UNSIGNED = "RdBu", "cividis"


def rank_correlation_figure(comparison: ScoreComparison) -> Figure:
    """Draw the rank correlations: do two scores order all weights alike?"""
    size = 1.6 + 0.8 * len(comparison.scores)
    figure = Figure(figsize=(size + 1.4, size + 0.3), layout="constrained")
    axes = figure.add_subplot()
    image = _matrix(axes, comparison.ranks, comparison.scores, SIGNED, lowest=-1.0)
    figure.colorbar(image, ax=axes, label="Spearman's rank correlation", shrink=0.9)
    set_title(figure, "Do scores order the weights alike?", comparison)
    return figure


def overlap_figure(comparison: ScoreComparison) -> Figure:
    """Draw the overlaps: do two masks keep the same weights?"""
    figure, panels = _panels(comparison)
    for axes, at in zip(panels, comparison.densities, strict=True):
        image = _matrix(axes, at.overlap, comparison.scores, UNSIGNED, lowest=0.0)
        axes.set_title(f"{panel_title(at)}\nby chance {at.chance_overlap:.2g}", fontsize=10)
    label = "Jaccard overlap:\nweights in both / weights in either"
    figure.colorbar(image, ax=panels, label=label, shrink=0.9)
    set_title(figure, "Do masks keep the same weights?", comparison)
    return figure


def kept_figure(comparison: ScoreComparison) -> Figure:
    """Draw what each mask keeps of each score."""
    figure, panels = _panels(comparison)
    for axes, at in zip(panels, comparison.densities, strict=True):
        image = _matrix(axes, at.kept.above_chance, comparison.scores, SIGNED, lowest=-1.0)
        axes.set_title(panel_title(at), fontsize=10)
        axes.set_xlabel("score")
    panels[0].set_ylabel("mask of")
    figure.colorbar(image, ax=panels, label="kept; 0: like a random mask,\n1: like the best mask", shrink=0.9)
    set_title(figure, "What does a mask keep of the other scores?", comparison)
    return figure


def _panels(comparison: ScoreComparison) -> tuple[Figure, list[Axes]]:
    """A figure with a row of empty panels, one per density."""
    count, size = len(comparison.densities), 0.4 + 0.62 * max(3, len(comparison.scores))
    figure = Figure(figsize=(size * count + 2.6, size + 1.6), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False, sharey=True)[0])


def _matrix(axes: Axes, values: Floats, names: Sequence[str], colormap: str, *, lowest: float) -> AxesImage:
    """Draw a matrix. NaN is grey. The colours end at `lowest` and 1."""
    axes.set_facecolor(FAINT)
    image = axes.imshow(np.ma.masked_invalid(values), cmap=colormap, norm=Normalize(lowest, 1.0))
    brightness = np.where(np.isnan(values), 1.0, image.to_rgba(np.nan_to_num(values)) @ LUMINANCE)
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if brightness[row, column] < 0.45 else "black"
        axes.text(column, row, two_digits(value), ha="center", va="center", fontsize=9, color=colour)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image
