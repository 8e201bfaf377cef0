"""The parameters that were searched, each as a column of a study's table."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from study.records.trial import StudyTrial

# Before a parameter's name: so a parameter may have the name of another column.
PREFIX = "parameter."
LARGEST = 2**63  # integers from here on do not fit
Kind = Literal["bool", "int64", "double", "string"]  # Parquet's names of types


def parameter_columns(trials: Iterable[StudyTrial]) -> dict[str, Kind]:
    """A column for each parameter that the sampler proposed in any of the trials.

    Args:
        trials: Of one study.

    Returns:
        The type of each column by its name, `parameter.` and the parameter's name, in the order in which they
        were first proposed. Numbers of both kinds are floats. Choices of different types, or that are neither
        numbers nor texts, are texts: as JSON, unless they are texts.
    """
    values: dict[str, list[Any]] = {}
    for trial in trials:
        for name, value in trial.parameters.items():
            values.setdefault(f"{PREFIX}{name}", []).append(value)
    return {column: _kind(found) for column, found in values.items()}


def parameter_row(trial: StudyTrial, columns: Mapping[str, Kind]) -> dict[str, Any]:
    """A trial's parameters by column.

    Args:
        trial: The trial.
        columns: As of `parameter_columns`.

    Returns:
        The values. None for a parameter that was not proposed: those of conditional spaces, and all of a
        baseline outside of its space. A choice that is None itself is None, too.
    """
    proposed = {f"{PREFIX}{name}": value for name, value in trial.parameters.items()}
    return {column: _as(kind, proposed.get(column)) for column, kind in columns.items()}


def _kind(values: Iterable[Any]) -> Kind:
    known = [value for value in values if value is not None]
    types = {type(value) for value in known}
    if types == {bool}:
        return "bool"
    if types == {int} and all(abs(value) < LARGEST for value in known):
        return "int64"
    return "double" if types and types <= {int, float} else "string"


def _as(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind == "string":
        return value if isinstance(value, str) else json.dumps(value)
    return float(value) if kind == "double" else value
