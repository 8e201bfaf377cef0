"""What a user did wrong, said in one line that tells what to write instead."""

import difflib
import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

Component = TypeVar("Component")
# Names that are listed in an error; a home may hold hundreds of studies.
LISTED = 20
# Words for the same thing, where the nearest spelling would mean another.
OTHER_WORDS = {"gpu": ("cuda", "auto"), "cuda": ("auto",)}


class InputError(ValueError):
    """Wrong input. The message is one line and says what to write instead."""


class InfeasibleError(ValueError):
    """No mask meets the levels that were asked for together: a result, not a mistake."""


def lookup(kind: str, name: str, registry: Mapping[str, Component]) -> Component:
    """The component called `name`; an InputError with the nearest names if there is none."""
    if name in registry:
        return registry[name]
    raise InputError(unknown(kind, name, registry))


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One line for a name that does not exist, with the nearest one that does."""
    names = sorted(known)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    listed = f" (known: {', '.join(names[:LISTED])}{more})" if names else ""
    return f"unknown {kind} {name!r}{did_you_mean(name, names)}{listed}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`: did you mean 'synflow'?` if one of the known names is near enough, else nothing."""
    near = nearest(name, known)
    return f": did you mean {near!r}?" if near is not None else ""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was most probably meant; None if none is near.

    Capitals, dashes and `_` make no difference. A beginning is near enough, unless a letter or two begin
    several names.
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
    """`: did you mean 'my_space.py'?` if a neighbour of a path that does not exist is called nearly so."""
    try:
        names = [entry.name for entry in path.expanduser().parent.iterdir()]
    except OSError:
        return ""
    near = nearest(path.name, [name for name in names if Path(name).suffix == path.suffix])
    return f": did you mean {str(path.parent / near)!r}?" if near is not None else ""


def parse_decimal(flag: str, text: str) -> Decimal:
    """A number from the command line, kept as the decimal that was written."""
    try:
        return Decimal(text.strip()).normalize()
    except InvalidOperation:
        raise InputError(f"{flag} {text!r} is not a number: write e.g. 0.99") from None


def as_share(number: Decimal | float) -> str:
    """`: did you mean 0.99?` for a share that was written as 99 (per cent), else nothing."""
    if not (math.isfinite(number) and 2 <= number < 100):
        return ""
    return f": did you mean {Decimal(str(number)).scaleb(-2).normalize():f}?"


def refuse_unknown(model: type[BaseModel], data: Any) -> Any:
    """What a model is made of, if its fields and the words that stand for a choice are known.

    For a validator that runs before all others: pydantic would refuse these too, but not say which
    name was meant. Raises ValueError in one line.
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
    """The first complaints of a validation error, each as `field: what is wrong`."""
    complaints = []
    for detail in error.errors(include_url=False):
        where = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ") + _percent(
            detail["input"], detail.get("ctx", {})
        )
        complaints.append(f"{where}: {message}" if where else message)
    return "; ".join(complaints)


def _percent(given: object, limits: Mapping[str, Any]) -> str:
    """What was meant by a number above 1, where 1 is the most."""
    if 1 not in (limits.get("lt"), limits.get("le")):
        return ""
    try:
        return as_share(Decimal(str(given)))
    except InvalidOperation:
        return ""
