"""Times as users write them: `2h`, `90m`, `45s`, `1h30m`, `1.5h`."""

import re

NUMBER = r"(\d+(?:\.\d+)?)"
PATTERN = re.compile(rf"(?:{NUMBER}h)? ?(?:{NUMBER}m)? ?(?:{NUMBER}s)?")
UNITS = (3600, 60, 1)  # seconds of an hour, a minute and a second


def parse_duration(text: str) -> float:
    """The seconds of a time.

    Args:
        text: Numbers with the units h, m and s, in this order.

    Returns:
        The seconds, positive.

    Raises:
        ValueError: The text is not such a time, or the time is 0.
    """
    found = PATTERN.fullmatch(text.strip())
    numbers = [] if found is None else [float(number or 0) for number in found.groups()]
    seconds = sum(number * unit for number, unit in zip(numbers, UNITS, strict=False))
    if not seconds:
        raise ValueError(f"{text!r} is not a time above 0: write e.g. 2h, 90m, 45s or 1h30m")
    return seconds


def whole_duration(text: str | None) -> str | None:
    """Check a time, and return it without spaces around it; None is no time."""
    if text is None:
        return None
    parse_duration(text)
    return text.strip()
