"""What all figures share: colours, titles, the file format."""

import io
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind can tell apart, with a marker each besides.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#666666"
FAINT = "#dddddd"
DPI = 130


def ink(score: int) -> dict[str, Any]:
    """Colour and marker of the score of that number, the same in all figures."""
    return {"color": COLOURS[score % len(COLOURS)], "marker": MARKERS[score % len(MARKERS)]}


def bare(axes: Axes) -> None:
    """No more frame than two axes."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.set_axisbelow(True)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
