"""Parameters that a user gives instead of a sampler: do they fit the space?"""

import difflib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

from optuna.distributions import CategoricalChoiceType
from optuna.trial import FixedTrial

from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from search_spaces.question import Question
from search_spaces.suggest import suggest_density
from study.search.errors import check_recordable, sampled, space_errors


def check_parameters(
    space: SearchSpace, question: Question, parameters: Mapping[str, Any], what: str
) -> None:
    """Check that a space asks for exactly these parameters, and that their values are in its ranges.

    Args:
        space: The space.
        question: The study's question.
        parameters: Values by name.
        what: The origin of the parameters, for messages.

    Raises:
        InputError: A parameter is missing, unknown, or out of range.
    """
    trial = StrictFixedTrial(parameters, f"{what} cannot be tried in space {space.name!r}")
    config = sampled(space, trial)
    with space_errors(space.name):
        if not question.axis and config.arm != "dense" and config.density is None:
            suggest_density(trial)
    for name in parameters:
        if name not in trial.params:
            raise InputError(
                f"{what} cannot be tried in space {space.name!r}: the space has no parameter {name!r} with"
                f" these ({', '.join(trial.params)}): leave it out, or name the right --space"
            )
    check_recordable(space.name, parameters)


@final
class StrictFixedTrial(FixedTrial):
    """Optuna's `FixedTrial`, but a missing or wrong parameter is an error of one line, not a warning.

    Args:
        parameters: Values by name.
        complaint: The beginning of each error message.
    """

    def __init__(self, parameters: Mapping[str, Any], complaint: str) -> None:
        super().__init__(dict(parameters))
        self._given = parameters
        self._complaint = complaint

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """The user's value of a number.

        Raises:
            InputError: There is none, or it is out of range.
        """
        self._check_exists(name)
        with self._in_range(name, f"between {low:g} and {high:g}"):
            return super().suggest_float(name, low, high, step=step, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """The user's value of a whole number.

        Raises:
            InputError: There is none, or it is out of range.
        """
        self._check_exists(name)
        with self._in_range(name, f"a whole number between {low} and {high}"):
            return super().suggest_int(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[CategoricalChoiceType]) -> Any:
        """The user's choice.

        Raises:
            InputError: There is none, or it is not among the choices.
        """
        self._check_exists(name)
        with self._in_range(name, f"one of {', '.join(map(str, choices))}"):
            return super().suggest_categorical(name, choices)

    def _check_exists(self, name: str) -> None:
        if name not in self._given:
            close = difflib.get_close_matches(name, self._given, n=1)
            hint = f": is {close[0]!r} misspelt?" if close else ""
            raise InputError(
                f"{self._complaint}: {name!r} is missing{hint} (it has {', '.join(self._given)})"
            )

    @contextmanager
    def _in_range(self, name: str, wanted: str) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                yield
            except (ValueError, TypeError, UserWarning):
                value = self._given[name]
                raise InputError(f"{self._complaint}: {name!r} must be {wanted}, not {value!r}") from None
