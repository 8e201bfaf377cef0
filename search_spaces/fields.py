"""A space whose trials have some fields of their configurations set, not searched."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from optuna.trial import BaseTrial

from cops_core.config import TrialConfig


@dataclass(frozen=True)
class WithFields:
    """A space's function that sets some fields, and does not search parameters of these names.

    Attributes:
        sample: The space's own function.
        fixed: Sets the fields in a configuration.
        values: Their values by name.
    """

    sample: Callable[[BaseTrial], TrialConfig]
    fixed: Callable[[TrialConfig], TrialConfig]
    values: Mapping[str, Any]

    def __call__(self, trial: BaseTrial) -> TrialConfig:
        """The space's configuration for a trial, with the fields."""
        config: object = self.sample(cast(BaseTrial, _KnownParameters(trial, self.values)))
        return self.fixed(config) if isinstance(config, TrialConfig) else cast(TrialConfig, config)

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        """The description of the space."""
        return self.sample.__doc__ or ""


class _KnownParameters:
    """An Optuna trial that answers some suggestions itself; these are no parameters of the study.

    Args:
        trial: Answers all others.
        values: The answers by the parameter's name.
    """

    def __init__(self, trial: BaseTrial, values: Mapping[str, Any]) -> None:
        self._trial = trial
        self._values = values

    def __getattr__(self, name: str) -> Any:
        return getattr(self._trial, name)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number of the study, or the known one."""
        if name in self._values:
            return float(self._values[name])
        return self._trial.suggest_float(name, low, high, step=step, log=log)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """A choice of the study, or the known one."""
        return self._values[name] if name in self._values else self._trial.suggest_categorical(name, choices)
