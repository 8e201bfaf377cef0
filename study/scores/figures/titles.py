"""The titles of the figures of a comparison."""

from matplotlib.figure import Figure

from study.scores.compare import MaskComparison, ScoreComparison


def panel_title(at: MaskComparison) -> str:
    """The title of a panel: `density 0.01: 4,305 weights`."""
    return f"density {at.density:f}: {at.kappa:,} weights"


def set_title(figure: Figure, question: str, comparison: ScoreComparison) -> None:
    """Set the title of a figure: its question, and the network."""
    figure.suptitle(f"{question}\n{comparison.title}", fontsize=11)
