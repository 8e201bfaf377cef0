"""Pairs of scores as coloured matrices, with the numbers written in."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from study.scores.compare import Comparison, Floats
from study.scores.figures.titles import panel_title, set_title
from study.scores.show import two_digits
from study.views.figures.style import FAINT

LUMINANCE = np.array([0.299, 0.587, 0.114, 0.0])

# Colour-blind safe: from red by white to blue where values have a sign, from dark to light elsewhere.
SIGNED, UNSIGNED = "RdBu", "cividis"


def rank_correlation_figure(comparison: Comparison) -> Figure:
    """Do two scores order all weights alike?"""
    size = 1.6 + 0.8 * len(comparison.scores)
    figure = Figure(figsize=(size + 1.4, size + 0.3), layout="constrained")
    axes = figure.add_subplot()
    image = _matrix(axes, comparison.ranks, comparison.scores, SIGNED, lowest=-1.0)
    figure.colorbar(image, ax=axes, label="Spearman's rank correlation", shrink=0.9)
    set_title(figure, "Do scores order the weights alike?", comparison)
    return figure


def overlap_figure(comparison: Comparison) -> Figure:
    """Do two masks keep the same weights?"""
    figure, panels = _panels(comparison)
    for axes, at in zip(panels, comparison.densities, strict=True):
        image = _matrix(axes, at.overlap, comparison.scores, UNSIGNED, lowest=0.0)
        axes.set_title(f"{panel_title(at)}\nby chance {at.chance_overlap:.2g}", fontsize=10)
    label = "Jaccard overlap:\nweights in both / weights in either"
    figure.colorbar(image, ax=panels, label=label, shrink=0.9)
    set_title(figure, "Do masks keep the same weights?", comparison)
    return figure


def kept_figure(comparison: Comparison) -> Figure:
    """What does each mask keep of each score?"""
    figure, panels = _panels(comparison)
    for axes, at in zip(panels, comparison.densities, strict=True):
        image = _matrix(axes, at.kept.above_chance, comparison.scores, SIGNED, lowest=-1.0)
        axes.set_title(panel_title(at), fontsize=10)
        axes.set_xlabel("score")
    panels[0].set_ylabel("mask of")
    figure.colorbar(image, ax=panels, label="kept, from a random mask (0)\nto the best one (1)", shrink=0.9)
    set_title(figure, "What does a mask keep of the other scores?", comparison)
    return figure


def _panels(comparison: Comparison) -> tuple[Figure, list[Axes]]:
    """An empty panel per density, side by side."""
    count, size = len(comparison.densities), 0.4 + 0.62 * max(3, len(comparison.scores))
    figure = Figure(figsize=(size * count + 2.6, size + 1.6), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False, sharey=True)[0])


def _matrix(axes: Axes, values: Floats, names: Sequence[str], colormap: str, *, lowest: float) -> AxesImage:
    """Draw a matrix; what is not defined stays grey. The colours end at `lowest` and 1."""
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
