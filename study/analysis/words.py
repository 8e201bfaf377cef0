"""Numbers as a reader wants them: never a mean without its interval and its number of seeds."""

import math
from collections.abc import Sequence

from study.analysis.statistics import Interval, interval

SPACE = "\u00a0"  # at which no line is broken


def share(found: Interval) -> str:
    """A mean of shares in per cent, its 95 % interval, and over how many seeds it is."""
    mean = f"{100 * found.mean:.2f}{SPACE}%"
    if found.count == 1:
        return f"{mean} (1{SPACE}seed)"
    return f"{mean}{SPACE}±{SPACE}{100 * found.half_width:.2f}{SPACE}% ({found.count}{SPACE}seeds)"


def shares(values: Sequence[float]) -> str:
    """The same, of the values themselves; empty without any."""
    return share(interval(values)) if values else ""


def size(count: float) -> str:
    """Bytes for a person: `14.2 kB`; empty where they are not known."""
    if math.isnan(count):
        return ""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def seconds(total: float) -> str:
    """A duration for a person: `45 s`, `12 min`, `3.5 h`."""
    if total < 90:
        return f"{total:.0f} s"
    return f"{total / 60:.0f} min" if total < 5400 else f"{total / 3600:.1f} h"
