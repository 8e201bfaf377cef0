"""What a study is going to run."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence

from cops_core.config import TrialConfig
from cops_core.trainable import config_hash
from study.ledger.trial import StudyTrial


class Plan(ABC):
    """Asked for one trial after the other, told how each ended.

    A plan's state is made of nothing but what it was asked and told, in order: a study that goes on
    after any death has the same plan, once `recall`, `report` and `tell` have repeated its history.
    size: trials in all, at most. configurations: without regard to seeds.
    """

    size: int
    configurations: int

    @property
    @abstractmethod
    def example(self) -> TrialConfig | None:
        """A trial like those to come: what it needs, a cluster must have. None if there is none to come."""

    @property
    @abstractmethod
    def exhausted(self) -> bool:
        """Whether no trial will ever come any more."""

    @property
    def waiting(self) -> bool:
        """Whether the next trial must wait for one that runs."""
        return False

    @property
    def hopeless(self) -> str:
        """Why no further trial makes sense; empty as long as one does."""
        return ""

    @abstractmethod
    def ask(self) -> StudyTrial:
        """The next trial. Raises InputError if it cannot be made."""

    @abstractmethod
    def recall(self, trial: StudyTrial) -> None:
        """A recorded trial, in place of `ask`. Raises InputError if the plan would not give it today."""

    def report(self, trial: StudyTrial, row: dict[str, float]) -> bool:
        """Hear of an epoch; whether the trial is to be stopped now."""
        return False

    @abstractmethod
    def tell(self, trial: StudyTrial) -> None:
        """Hear how a trial ended."""


class FixedPlan(Plan):
    """Configurations that are known from the start, each run to its end, in order."""

    def __init__(self, configs: Sequence[TrialConfig]) -> None:
        self._waiting = deque(configs)
        self._example = next(iter(configs), None)
        self._number = 0
        self.size = self.configurations = len(configs)

    @property
    def example(self) -> TrialConfig | None:
        """The first configuration."""
        return self._example

    @property
    def exhausted(self) -> bool:
        """Whether every trial has been asked for."""
        return not self._waiting

    def ask(self) -> StudyTrial:
        """The next configuration as a trial."""
        number, self._number = self._number, self._number + 1
        return StudyTrial(number=number, configuration=number, config=self._waiting.popleft())

    def recall(self, trial: StudyTrial) -> None:
        """One of the configurations, or one of an earlier list."""
        self._number = max(self._number, trial.number + 1)
        wanted = config_hash(trial.config)
        for config in self._waiting:
            if config_hash(config) == wanted:
                self._waiting.remove(config)
                return

    def tell(self, trial: StudyTrial) -> None:
        """Nothing depends on how a trial ended."""
