"""Numbers as text. A mean is always written with its interval and its number of seeds."""

import math
from collections.abc import Sequence

from cops_core.trainers import Measure
from study.analysis.statistics import Interval, interval

SPACE = "\u00a0"  # a space at which lines are not broken


def share(found: Interval) -> str:
    """A mean in per cent, its 95 % interval, and the number of seeds.

    Args:
        found: The mean of shares in [0, 1].

    Returns:
        E.g. `78.80 % ± 1.14 % (3 seeds)`; without an interval for a single seed.
    """
    mean = f"{100 * found.mean:.2f}{SPACE}%"
    if found.count == 1:
        return f"{mean} (1{SPACE}seed)"
    return f"{mean}{SPACE}±{SPACE}{100 * found.half_width:.2f}{SPACE}% ({found.count}{SPACE}seeds)"


def measured(found: Interval, measure: Measure) -> str:
    """A mean as text: as of `share` if the measure is one, else `1.9200 ± 0.0100 (3 seeds)`.

    Args:
        found: The mean.
        measure: What was measured.
    """
    if measure.share:
        return share(found)
    mean = f"{found.mean:{measure.spec}}"
    if found.count == 1:
        return f"{mean} (1{SPACE}seed)"
    width = f"{found.half_width:{measure.spec}}"
    return f"{mean}{SPACE}±{SPACE}{width} ({found.count}{SPACE}seeds)"


def means(values: Sequence[float], measure: Measure) -> str:
    """The mean of some values as text, as of `measured`; empty without values."""
    return measured(interval(values), measure) if values else ""


def size(count: float) -> str:
    """A number of bytes with a unit: `14.2 kB`; empty for NaN."""
    if math.isnan(count):
        return ""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def seconds(total: float) -> str:
    """A duration with a unit: `45 s`, `12 min`, `3.5 h`."""
    if total < 90:
        return f"{total:.0f} s"
    return f"{total / 60:.0f} min" if total < 5400 else f"{total / 3600:.1f} h"


def marked(name: str, *notes: str) -> str:
    """A name with what is said beside it: `prune snip (1 of 3 at chance)`. Empty notes are left out."""
    said = ", ".join(note for note in notes if note)
    return f"{name} ({said})" if said else name
