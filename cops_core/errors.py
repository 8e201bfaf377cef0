"""What a user did wrong, said in one line that tells what to write instead."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import ValidationError

Component = TypeVar("Component")


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
    close = difflib.get_close_matches(name, names, n=1)
    hint = f": did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {name!r}{hint} (known: {', '.join(names)})"


def one_line(error: ValidationError) -> str:
    """The first complaints of a validation error, each as `field: what is wrong`."""
    complaints = []
    for detail in error.errors(include_url=False):
        where = ".".join(str(part) for part in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        complaints.append(f"{where}: {message}" if where else message)
    return "; ".join(complaints)
