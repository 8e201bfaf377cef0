"""The figures of a comparison, as PNG files. They do not use pyplot, so there is no shared state."""

from study.scores.compare import ScoreComparison
from study.scores.figures.curves import layers_figure, price_figure
from study.scores.figures.matrices import kept_figure, overlap_figure, rank_correlation_figure
from study.views.figures.style import png

FIGURES = {
    "rank_correlation": rank_correlation_figure,
    "overlap": overlap_figure,
    "layers": layers_figure,
    "kept": kept_figure,
    "price_of_control": price_figure,
}


def score_figures(comparison: ScoreComparison) -> dict[str, bytes]:
    """All figures as PNG files by name."""
    return {f"{name}.png": png(draw(comparison)) for name, draw in FIGURES.items()}
