"""The base class of plans: which trials a study runs, one after the other."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from cops_core.config import TrialConfig
from cops_core.facts import MetricRow
from study.records.trial import StudyTrial


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The trials that a plan will still hand out, as far as they are known now.

    Attributes:
        certain: Trials that will certainly be run.
        unknown: The number of configurations that have not been proposed yet.
        further: For each configuration whose trials run, how many further seeds it may get.
        most: How many further seeds a configuration that has not been proposed may get.
        rungs: The epochs after which the first trial of a proposal may be stopped early.
    """

    certain: Sequence[TrialConfig] = ()
    unknown: int = 0
    further: Sequence[int] = ()
    most: int = 0
    rungs: Sequence[int] = ()


class Plan(ABC):
    """Hands out one trial after the other, and receives how each ended.

    A plan's state depends only on the calls of `ask`, `report` and `tell`, in order. So a study that is
    resumed after any failure has the same plan, once `recall`, `report` and `tell` have repeated its history.

    Attributes:
        size: The largest number of trials that may be run in total.
        configurations: The number of configurations.
    """

    size: int
    configurations: int

    @property
    @abstractmethod
    def example(self) -> TrialConfig | None:
        """A trial that shows what a cluster must have; None if the plan has no trials."""

    @property
    @abstractmethod
    def samples(self) -> Sequence[TrialConfig]:
        """Configurations like those to come: every network, score and arm is among them, if that is known."""

    @property
    @abstractmethod
    def exhausted(self) -> bool:
        """Whether no further trial will be handed out."""

    @property
    @abstractmethod
    def forecast(self) -> Forecast:
        """The trials that are still to be run, for an estimate of the remaining time."""

    @property
    def waiting(self) -> bool:
        """Whether the next trial depends on one that is running."""
        return False

    @property
    def blocked(self) -> str:
        """Why no further trial makes sense; empty if one does."""
        return ""

    @property
    def mid_turn(self) -> bool:
        """Whether a turn, such as one configuration of each method, has been handed out only in part.

        A study whose time is over ends at once if this is False. Else it hands out the rest of the turn.
        """
        return False

    @property
    def in_turns(self) -> bool:
        """Whether a study whose time is over waits for the running trials of the last turn."""
        return self.mid_turn

    @abstractmethod
    def ask(self) -> StudyTrial:
        """Hand out the next trial.

        Returns:
            The trial.

        Raises:
            InputError: It cannot be made.
        """

    @abstractmethod
    def expect(self, trials: Sequence[StudyTrial]) -> None:
        """Receive all recorded trials, before each is recalled at its place among the events.

        Args:
            trials: All that are recorded, in any order.
        """

    @abstractmethod
    def recall(self, trial: StudyTrial) -> None:
        """Receive a recorded trial, in place of `ask`.

        Args:
            trial: The trial.

        Raises:
            InputError: The plan would not hand it out today.
        """

    def report(self, trial: StudyTrial, row: MetricRow) -> bool:
        """Receive the metrics of an epoch.

        Args:
            trial: The trial.
            row: The metrics.

        Returns:
            Whether to stop the trial now.
        """
        return False

    @abstractmethod
    def tell(self, trial: StudyTrial) -> None:
        """Receive how a trial ended.

        Args:
            trial: The trial, with its status.
        """


def repeat(plan: Plan, trials: Sequence[StudyTrial]) -> list[StudyTrial]:
    """Repeat a study's events with a new plan, in their order.

    Args:
        plan: The new plan.
        trials: All that are recorded. Their status changes meanwhile, as it did when the study ran.

    Returns:
        The trials that had just lost their race when the study was interrupted.

    Raises:
        InputError: The plan would not hand out a recorded trial today.
    """
    lost: list[StudyTrial] = []
    ends = {trial.number: trial.status for trial in trials if trial.has_ended}
    for trial in trials:
        trial.status = "running"  # as it was while the other trials started and ended
    plan.expect(trials)
    last = last_event(trials)
    starts = [(trial.start_sequence, 0, trial) for trial in trials]
    finishes = [(trial.finish_sequence or last + 1, 1, trial) for trial in trials if trial.number in ends]
    for _, kind, trial in sorted(starts + finishes, key=lambda entry: entry[:2]):
        if kind == 0:
            plan.recall(trial)
            decisions = [plan.report(trial, row) for row in trial.rows]
            if trial.number not in ends and decisions and decisions[-1]:
                lost.append(trial)
        else:
            trial.status = ends[trial.number]
            plan.tell(trial)
    return lost


def last_event(trials: Sequence[StudyTrial]) -> int:
    """The position of the last recorded event; -1 before the first."""
    return max((max(trial.start_sequence, trial.finish_sequence or 0) for trial in trials), default=-1)
