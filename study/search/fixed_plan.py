"""A plan whose configurations are known from the start."""

from collections.abc import Sequence

from cops_core.config import TrialConfig
from cops_core.trial import config_hash
from study.records.trial import StudyTrial
from study.search.plan import Forecast, Plan


class FixedPlan(Plan):
    """Configurations that are known from the start, each run once, to its end, in order."""

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
    def exhausted(self) -> bool:
        """Whether every trial has been asked for."""
        return not self._left

    @property
    def forecast(self) -> Forecast:
        """The configurations that are left."""
        return Forecast(certain=tuple(self._left.values()))

    def ask(self) -> StudyTrial:
        """The next configuration as a trial."""
        number, self._number = self._number, self._number + 1
        config = self._left.pop(next(iter(self._left)))
        return StudyTrial(number=number, configuration=number, config=config)

    def recall(self, trial: StudyTrial) -> None:
        """One of the configurations, or one of an earlier list."""
        self._number = max(self._number, trial.number + 1)
        self._left.pop(config_hash(trial.config), None)

    def tell(self, trial: StudyTrial) -> None:
        """Nothing depends on how a trial ended."""
