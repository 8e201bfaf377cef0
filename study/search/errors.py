"""What can be wrong with a user's space, as errors of one line."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from optuna import TrialPruned
from optuna.trial import BaseTrial
from pydantic import ValidationError

from cops_core.config import TrialConfig
from cops_core.errors import InputError, described, one_line
from search_spaces.base import SearchSpace
from search_spaces.question import Question


class PrunedDrawError(InputError):
    """A space raised `optuna.TrialPruned`: this draw makes no sense.

    Attributes:
        reason: What the space raised, in one line.

    Args:
        space: The space's name.
        reason: What it raised, in one line.
    """

    def __init__(self, space: str, reason: str) -> None:
        super().__init__(
            f"space {space!r} prunes this draw ({reason}): write a space in which other draws remain"
        )
        self.reason = reason


@contextmanager
def space_errors(name: str) -> Iterator[None]:
    """A `with` block in which errors of a space become an InputError of one line.

    Args:
        name: The space's name.

    Raises:
        PrunedDrawError: The space raised `optuna.TrialPruned`.
        InputError: The space raised another error, or returned a wrong configuration.
    """
    try:
        yield
    except ValidationError as error:
        raise InputError(f"space {name!r} returns a wrong configuration: {one_line(error)}") from error
    except InputError:
        raise
    except TrialPruned as error:
        raise PrunedDrawError(name, described(error)) from error
    except Exception as error:
        if isinstance(error, ValueError) and "dynamic value space" in str(error):
            raise InputError(
                f"space {name!r} changes the choices of {_suggested(error)} from trial to trial:"
                " write another name for each set of choices"
            ) from error
        raise InputError(f"space {name!r} fails: {described(error)}") from error


def sampled(space: SearchSpace, trial: BaseTrial) -> TrialConfig:
    """The space's configuration for a trial.

    Args:
        space: The space.
        trial: Optuna's trial.

    Returns:
        The configuration.

    Raises:
        PrunedDrawError: The space raised `optuna.TrialPruned`.
        InputError: The space raised another error, or returned something else.
    """
    with space_errors(space.name):
        config: object = space.sample(trial)
    if not isinstance(config, TrialConfig):
        raise InputError(
            f"space {space.name!r} returns an object of type {type(config).__name__}:"
            " write a function that returns a TrialConfig"
        )
    return config


def _suggested(error: Exception) -> str:
    """The parameter whose suggestion raised an error."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_name.startswith("suggest_") and "name" in step.tb_frame.f_locals:
            return repr(step.tb_frame.f_locals["name"])
        step = step.tb_next
    return "a parameter"


def check_recordable(name: str, parameters: Mapping[str, Any]) -> None:
    """Check that parameters are the same after they were written as JSON: else they cannot be replayed.

    Args:
        name: The space's name.
        parameters: What was suggested.

    Raises:
        InputError: A choice is a list or another object, or changes as JSON.
    """
    for parameter, value in parameters.items():
        simple = value is None or isinstance(value, bool | int | float | str)
        if not simple or json.loads(json.dumps(value)) != value:
            raise InputError(
                f"space {name!r}: the choice {value!r} of {parameter!r} cannot be recorded:"
                " write choices as text, numbers or booleans"
            )


def difference(recorded: TrialConfig, now: TrialConfig) -> str:
    """The fields in which two configurations differ: `training.epochs 5, now 10; ...`."""
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
    """Check that a space has set no field that the question or the study decides.

    Args:
        name: The space's name.
        question: The study's question.
        config: A configuration that the space returned.

    Raises:
        InputError: The space sets the density although the rates are an axis, or asks for the test images.
    """
    if question.axis and config.density is not None:
        raise InputError(f"space {name!r} chooses the density: leave it out, or write --objective pareto")
    if config.test:
        raise InputError(
            f"space {name!r} asks for the test images, on which nothing may be chosen: leave test out,"
            " and evaluate with cops close"
        )
