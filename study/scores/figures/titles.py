"""What the figures of a comparison of scores are called."""

from matplotlib.figure import Figure

from study.scores.compare import AtDensity, Comparison


def panel_title(at: AtDensity) -> str:
    """`density 0.01: 4,305 weights`."""
    return f"density {at.density:f}: {at.kappa:,} weights"


def set_title(figure: Figure, question: str, comparison: Comparison) -> None:
    """The question that the figure answers, and of which network."""
    figure.suptitle(f"{question}\n{comparison.title}", fontsize=11)
