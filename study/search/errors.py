"""What can be wrong with a user's space, in one line."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from cops_core.config import TrialConfig
from cops_core.errors import InputError, one_line
from search_spaces.question import Question


@contextmanager
def space_errors(name: str) -> Iterator[None]:
    """Turns what a space raises into an InputError of one line."""
    try:
        yield
    except ValidationError as error:
        raise InputError(f"space {name!r} gives a wrong configuration: {one_line(error)}") from error
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"space {name!r} fails: {type(error).__name__}: {error}") from error


def recordable(name: str, parameters: Mapping[str, Any]) -> None:
    """A record holds parameters as JSON: a choice that changes there could never be replayed."""
    for parameter, value in parameters.items():
        if json.loads(json.dumps(value, default=str)) != value:
            raise InputError(
                f"space {name!r}: the choice {value!r} of {parameter!r} cannot be recorded:"
                " write choices as text, numbers or booleans"
            )


def difference(recorded: TrialConfig, now: TrialConfig) -> str:
    """Where two configurations differ: `training.epochs 5, now 10; ...`."""
    one, other = (flat(config.model_dump(mode="json")) for config in (recorded, now))
    return "; ".join(
        f"{name} {one.get(name)!r}, now {other.get(name)!r}"
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    )


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted names: `{"training.epochs": 5, ...}`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def check_choices(name: str, question: Question, config: TrialConfig) -> None:
    """InputError if the space of that name has chosen what is not a space's to choose."""
    if question.axis and config.density is not None:
        raise InputError(f"space {name!r} chooses the density: leave it out, or ask --objective pareto")
    if config.test:
        raise InputError(
            f"space {name!r} asks for the test images, on which nothing may be chosen: leave test out,"
            " and judge with cops close"
        )
