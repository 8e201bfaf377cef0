"""What all figures share: colours, titles, axes, file formats."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from cops_core.scores import KINDS, SCORES
from cops_core.scores.family import WEIGHTS
from cops_core.trainers import Measure

# Okabe and Ito's colours, which colour-blind readers can distinguish, with brown for their yellow; each also
# has a marker.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F4F24")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "8")
GREY = "#666666"
FAINT = "#dddddd"
DPI = 130
STYLES = ("-", "--", ":", "-.")  # of lines
ASIDE = 0.012  # decades between the points of neighbouring lines
EDGE = 0.02  # of shares, beyond 0 and 1
MOST_TICKS = 8
MARGIN = 1.25  # factor by which an axis of densities extends beyond its first and last point

# Scores that are compared most often come first: their colours differ most.
FIRST = ("snip", "grasp", "synflow", "magnitude", "random", "fisher", "gradient")
# Members of the family have the colour of the best-known score of their functional.
FUNCTIONAL_COLOURS: Mapping[str, str] = {
    functional: COLOURS[FIRST.index(score)]
    for functional, score in {
        "loss": "snip",
        "gradient_flow": "grasp",
        "synflow": "synflow",
        WEIGHTS: "magnitude",
    }.items()
}
KIND_MARKERS = ("d", "p", "h", "<", ">", "*", "H")  # none of MARKERS


def ink(number: int) -> dict[str, Any]:
    """The colour and the marker with a number, as arguments of `plot`; the same in all figures."""
    return {"color": COLOURS[number % len(COLOURS)], "marker": MARKERS[number % len(MARKERS)]}


def score_ink(score: str) -> dict[str, Any]:
    """The colour and the marker of a score, the same in all figures of all studies. score: its kind."""
    if score in KINDS:
        return {"color": FUNCTIONAL_COLOURS[KINDS[score]], "marker": KIND_MARKERS[[*KINDS].index(score)]}
    return ink([*FIRST, *(name for name in SCORES if name not in FIRST)].index(score))


def bare(axes: Axes) -> None:
    """Remove the frame, except for two axes."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(labelsize=8)
    axes.set_axisbelow(True)


def percent_axis(axis: Any) -> None:
    """Label an axis of shares in per cent, without superfluous digits."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))


def value_axis(axis: Any, measure: Measure) -> None:
    """Label an axis of values of a measure: in per cent if they are shares."""
    if measure.share:
        percent_axis(axis)


def rate_axis(axes: Axes, densities: Sequence[float]) -> None:
    """Label the axis with freezing rates; it is logarithmic in the density, which falls to the right."""
    axes.set_xscale("log")
    axes.set_xlim(max(densities) * MARGIN, min(densities) / MARGIN)
    if len(densities) <= MOST_TICKS:
        axes.set_xticks(densities)
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda density, _: f"{1 - density:.6g}"))


def note(figure: Figure, text: str) -> None:
    """Add a line at the bottom of a figure, for readers who see it without its caption."""
    figure.supxlabel(text, x=0.995, ha="right", fontsize=8, color=GREY)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    _settle(figure)
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file. Letters are paths: the file is the same on every machine, each time."""
    buffer = io.BytesIO()
    _settle(figure)
    with rc_context({"svg.fonttype": "path", "svg.hashsalt": "cops"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # savefig would draw it twice
    return buffer.getvalue()


def fluid(drawing: bytes) -> bytes:
    """An SVG file without its size: it becomes as wide as the page that shows it."""
    for size in (b"width", b"height"):
        drawing = re.sub(rb"(<svg\b[^>]*?) " + size + rb'="[^"]*"', rb"\1", drawing, count=1)
    return drawing


def _settle(figure: Figure) -> None:
    """Compute the layout once, although the figure is saved twice: it takes as long as drawing."""
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
