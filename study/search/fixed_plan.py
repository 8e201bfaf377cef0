"""A plan whose configurations are known from the start, as those of an experiment."""

from collections.abc import Sequence

from cops_core.config import TrialConfig
from cops_core.trial_state import config_hash
from study.records.trial import StudyTrial
from study.search.plan import Forecast, Plan


class FixedPlan(Plan):
    """Runs a list of configurations in order, each one once and to its end.

    Args:
        configs: The trials, with their seeds; of equal ones only one is run.
    """

    def __init__(self, configs: Sequence[TrialConfig]) -> None:
        self._left = {config_hash(config): config for config in configs}
        self._example = next(iter(configs), None)
        self._number = 0
        self.size = self.configurations = len(self._left)

    @property
    def example(self) -> TrialConfig | None:
        """The first configuration."""
        return self._example

    @property
    def samples(self) -> Sequence[TrialConfig]:
        """All configurations that are left."""
        return tuple(self._left.values())

    @property
    def exhausted(self) -> bool:
        """Whether every trial has been handed out."""
        return not self._left

    @property
    def forecast(self) -> Forecast:
        """All configurations that are left are certain."""
        return Forecast(certain=tuple(self._left.values()))

    def ask(self) -> StudyTrial:
        """The next configuration, as a trial."""
        number, self._number = self._number, self._number + 1
        config = self._left.pop(next(iter(self._left)))
        return StudyTrial(number=number, configuration=number, config=config)

    def expect(self, trials: Sequence[StudyTrial]) -> None:
        """Do nothing: no configuration is made ahead."""

    def recall(self, trial: StudyTrial) -> None:
        """Remove a recorded trial from the list; one of an earlier list is accepted."""
        self._number = max(self._number, trial.number + 1)
        self._left.pop(config_hash(trial.config), None)

    def tell(self, trial: StudyTrial) -> None:
        """Do nothing: the plan does not depend on how a trial ended."""
