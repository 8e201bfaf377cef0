"""What a study is going to run."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from decimal import Decimal

from cops_core.config import TrialConfig
from study.trial import StudyTrial


class Plan(ABC):
    """Asked for one trial after the other, told how each ended.

    races: the freezing rates within which trials race against each other and may be stopped early;
    empty where every trial runs to its end. epochs: of the longest trial. size: trials in all.
    """

    races: tuple[Decimal, ...] = ()
    epochs: int
    size: int

    @property
    @abstractmethod
    def exhausted(self) -> bool:
        """Whether every trial has been asked for."""

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
    def tell(self, trial: StudyTrial) -> None:
        """Hear how a trial ended."""


class FixedPlan(Plan):
    """Configurations that are known from the start, each run to its end, in order."""

    def __init__(self, configs: Sequence[TrialConfig], first: int = 0) -> None:
        """first: the number of the first trial."""
        self._waiting = deque(enumerate(configs, start=first))
        self.epochs = max((config.training.epochs for config in configs), default=1)
        self.size = len(configs)

    @property
    def exhausted(self) -> bool:
        """Whether every trial has been asked for."""
        return not self._waiting

    def ask(self) -> StudyTrial:
        """The next configuration as a trial."""
        number, config = self._waiting.popleft()
        return StudyTrial(number=number, config=config)

    def tell(self, trial: StudyTrial) -> None:
        """Nothing depends on how a trial ended."""
