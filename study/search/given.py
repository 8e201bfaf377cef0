"""Parameters that a study is given, rather than a sampler proposes: are they a space's?"""

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
from study.search.errors import recordable, space_errors


def check_given(space: SearchSpace, question: Question, parameters: Mapping[str, Any], what: str) -> None:
    """InputError in one line unless the space can be given these parameters, no more and no fewer.

    what: whose parameters they are, as the message calls it.
    """
    trial = Given(parameters, f"{what} cannot be tried in space {space.name!r}")
    with space_errors(space.name):
        config = space.sample(trial)
        if not question.axis and config.arm != "dense" and config.density is None:
            suggest_density(trial)
    for name in parameters:
        if name not in trial.params:
            raise InputError(
                f"{what} cannot be tried in space {space.name!r}: that never asks for {name!r} beside its"
                f" other parameters ({', '.join(trial.params)}): leave it out, or name the right --space"
            )
    recordable(space.name, parameters)


@final
class Given(FixedTrial):
    """Optuna's fixed trial, which says in one line what is missing or out of range, where that one warns."""

    def __init__(self, parameters: Mapping[str, Any], complaint: str) -> None:
        super().__init__(dict(parameters))
        self._given = parameters
        self._complaint = complaint

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """The given number."""
        self._check_there(name)
        with self._in_range(name, f"between {low:g} and {high:g}"):
            return super().suggest_float(name, low, high, step=step, log=log)

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """The given whole number."""
        self._check_there(name)
        with self._in_range(name, f"a whole number between {low} and {high}"):
            return super().suggest_int(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[CategoricalChoiceType]) -> Any:
        """The given choice."""
        self._check_there(name)
        with self._in_range(name, f"one of {', '.join(map(str, choices))}"):
            return super().suggest_categorical(name, choices)

    def _check_there(self, name: str) -> None:
        if name not in self._given:
            close = difflib.get_close_matches(name, self._given, n=1)
            hint = f": is {close[0]!r} meant?" if close else ""
            raise InputError(f"{self._complaint}: it has no {name!r}{hint} (it has {', '.join(self._given)})")

    @contextmanager
    def _in_range(self, name: str, wanted: str) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            try:
                yield
            except (ValueError, TypeError, UserWarning):
                value = self._given[name]
                raise InputError(f"{self._complaint}: its {name!r} is {value!r}, not {wanted}") from None
