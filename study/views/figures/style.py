"""What all figures share: colours, titles, axes, file formats."""

import io
import re
from collections.abc import Mapping
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from cops_core.scores import KINDS, SCORES
from cops_core.scores.family import WEIGHTS

# Okabe and Ito's colours, which the colour-blind can tell apart, with a marker each besides.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#666666"
FAINT = "#dddddd"
DPI = 130

# Scores that are compared most stand first: their colours differ most.
FIRST = ("snip", "grasp", "synflow", "magnitude", "random", "fisher", "gradient")
# Members of the family have the colour of the named score that is best known of their functional.
FUNCTIONAL_COLOURS: Mapping[str, str] = {
    functional: COLOURS[FIRST.index(score)]
    for functional, score in {
        "loss": "snip",
        "gradient_flow": "grasp",
        "synflow": "synflow",
        WEIGHTS: "magnitude",
    }.items()
}
KIND_MARKERS = ("d", "p", "h", "<", ">", "*", "8")  # none of MARKERS


def ink(number: int) -> dict[str, Any]:
    """The colour and the marker of that number, the same in all figures."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def score_ink(score: str) -> dict[str, Any]:
    """A score's own colour and marker, the same in all figures of all studies. score: its kind."""
    if score in KINDS:
        return {"color": FUNCTIONAL_COLOURS[KINDS[score]], "marker": KIND_MARKERS[[*KINDS].index(score)]}
    return ink([*FIRST, *(name for name in SCORES if name not in FIRST)].index(score))


def bare(axes: Axes) -> None:
    """No more frame than two axes."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.set_axisbelow(True)


def percent_axis(axis: Any) -> None:
    """Label an axis of shares in per cent, without digits that say nothing."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))


def note(figure: Figure, text: str) -> None:
    """A line at the foot of a figure: it may be seen without its caption."""
    figure.supxlabel(text, x=0.995, ha="right", fontsize=8, color=GREY)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    _settle(figure)
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file, its letters as paths: the same on every machine, and every time."""
    buffer = io.BytesIO()
    _settle(figure)
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "cops"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def fluid(drawing: bytes) -> bytes:
    """An SVG file without a size of its own: it is as wide as the page that shows it."""
    for size in (b"width", b"height"):
        drawing = re.sub(rb"(<svg\b[^>]*?) " + size + rb'="[^"]*"', rb"\1", drawing, count=1)
    return drawing


def _settle(figure: Figure) -> None:
    """Lay the figure out once, however often it is saved: that takes as long as drawing it."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
