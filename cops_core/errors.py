"""Errors for wrong input: one line that says what is wrong and what to write instead."""

import difflib
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

Component = TypeVar("Component")
# At most this many names are listed in an error; a home may have hundreds of studies.
LISTED = 20
# At most this many names are examples in an error; a network may have hundreds of layers.
FEW = 3
# Characters of an error of somebody else's code.
LONGEST = 160
# Words for the same thing, where the nearest spelling would mean another; among them former names.
OTHER_WORDS = {"gpu": ("cuda", "auto"), "cuda": ("auto",), "shrinkbench": ("dense_last_layer",)}


class InputError(ValueError):
    """Wrong input. The message is one line for each problem and says what to write instead."""


class InfeasibleError(ValueError):
    """No mask meets all requested levels: a result, not a mistake."""


class DivergedError(RuntimeError):
    """A training before the mask had a loss that is not finite: a result, not a mistake."""


class DriftError(RuntimeError):
    """A weight outside the mask does not have the value that the arm requires."""


def described(error: BaseException) -> str:
    """An error of somebody else's code, in one line: its type and the beginning of its message."""
    words = " ".join(str(error).split())
    short = words if len(words) <= LONGEST else f"{words[:LONGEST]}..."
    return f"{type(error).__name__}: {short}" if short else type(error).__name__


def lookup(kind: str, name: str, registry: Mapping[str, Component]) -> Component:
    """The component with this name.

    Args:
        kind: What the components are, for messages, e.g. "score".
        name: A key of `registry`.
        registry: The components by name.

    Returns:
        The component.

    Raises:
        InputError: An unknown name; the message suggests the nearest and lists the known ones.
    """
    if name in registry:
        return registry[name]
    raise InputError(unknown(kind, name, registry))


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist.

    Args:
        kind: What the name should stand for, e.g. "score".
        name: The unknown name.
        known: The names that exist.

    Returns:
        One line with the nearest known name, and at most `LISTED` of the known names.
    """
    names = sorted(known)
    ending = f" (known: {listed(names, LISTED)})" if names else ""
    return f"unknown {kind} {name!r}{did_you_mean(name, names)}{ending}"


def listed(names: Iterable[str], most: int = FEW) -> str:
    """Names in one line of a message, shortened where there are many.

    Args:
        names: The names.
        most: At most this many are written, at least 1.

    Returns:
        `conv1.weight, conv2.weight, conv3.weight and 297 more`.
    """
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The suggestion at the end of a message.

    Args:
        name: The unknown name.
        known: The names that exist.

    Returns:
        `: did you mean 'synflow'?` if a known name is near enough, else an empty text.
    """
    near = nearest(name, known)
    return f": did you mean {near!r}?" if near is not None else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was most probably meant.

    Upper and lower case, dashes and `_` are ignored. A prefix is near enough, unless it has only one or two
    letters and several names start with it.

    Args:
        name: The unknown name.
        known: The names that exist.

    Returns:
        One of `known`, or None if none is near.
    """
    folded: dict[str, str] = {}
    for candidate in sorted(known):
        folded.setdefault(_fold(candidate), candidate)
    word = _fold(name)
    others = [candidate for candidate in OTHER_WORDS.get(word, ()) if candidate in folded]
    beginning = [candidate for candidate in folded if word and candidate.startswith(word)]
    if others or len(beginning) == 1 or (beginning and len(word) > 2):
        return folded[min(others or beginning, key=len)]
    close = difflib.get_close_matches(word, folded, n=1)
    return folded[close[0]] if close else None


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_").strip("_")


def near_path(path: Path) -> str:
    """The suggestion for a path that does not exist: `: did you mean 'my_space.py'?`, or an empty text.

    Args:
        path: The path that does not exist. Files of the same folder and suffix are candidates.

    Returns:
        The end of a message.
    """
    try:
        names = [entry.name for entry in path.expanduser().parent.iterdir()]
    except OSError:
        return ""
    near = nearest(path.name, [name for name in names if Path(name).suffix == path.suffix])
    return f": did you mean {str(path.parent / near)!r}?" if near is not None else ""


def parse_decimal(flag: str, text: str) -> Decimal:
    """A number from the command line, as an exact decimal.

    Args:
        flag: The flag's name, for the message.
        text: What was written.

    Returns:
        The number, normalised.

    Raises:
        InputError: The text is not a number.
    """
    try:
        return Decimal(text.strip()).normalize()
    except InvalidOperation:
        raise InputError(f"{flag} {text!r} is not a number: write e.g. 0.99") from None


def as_share(number: Decimal | float) -> str:
    """The suggestion for a fraction that was written in per cent.

    Args:
        number: The number that is not in (0, 1].

    Returns:
        `: did you mean 0.99?` for 99, an empty text for numbers outside [2, 100).
    """
    if not (math.isfinite(number) and 2 <= number < 100):
        return ""
    return f": did you mean {Decimal(str(number)).scaleb(-2).normalize():f}?"


def refuse_unknown(model: type[BaseModel], data: Any) -> Any:
    """Refuse unknown fields and unknown words of a Literal, with the nearest known name.

    For a validator that runs before all others: pydantic also refuses these, but without a suggestion.

    Args:
        model: The pydantic model.
        data: The input of its validation.

    Returns:
        `data` itself.

    Raises:
        ValueError: An unknown name, in one line.
    """
    for name, value in data.items() if isinstance(data, Mapping) else ():
        if name not in model.model_fields:
            raise ValueError(unknown("field", str(name), model.model_fields))
        annotation = model.model_fields[name].annotation
        choices = get_args(annotation) if get_origin(annotation) is Literal else ()
        if choices and value not in choices:
            raise ValueError(unknown(name.replace("_", " "), str(value), choices))
    return data


def one_line(error: ValidationError) -> str:
    """The complaints of a validation error in one line, each as `field: what is wrong`."""
    complaints = []
    for detail in error.errors(include_url=False):
        where = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ") + _percent(
            detail["input"], detail.get("ctx", {})
        )
        complaints.append(f"{where}: {message}" if where else message)
    return "; ".join(complaints)


def _percent(given: object, limits: Mapping[str, Any]) -> str:
    """The suggestion for a number above 1, where at most 1 is allowed."""
    if 1 not in (limits.get("lt"), limits.get("le")):
        return ""
    try:
        return as_share(Decimal(str(given)))
    except InvalidOperation:
        return ""
