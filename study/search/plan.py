"""What a study is going to run, one trial after the other."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from cops_core.config import TrialConfig
from cops_core.facts import MetricRow
from study.records.trial import StudyTrial


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a plan has yet to hand out, as far as that is known now.

    certain: trials that are sure to come. unknown: first trials of configurations that are not
    proposed yet. further: for each configuration whose trials run, how many further seeds it may still
    win; most: how many an unknown one may. rungs: the epochs after which the first trial of a proposal
    may be stopped by its race.
    """

    certain: Sequence[TrialConfig] = ()
    unknown: int = 0
    further: Sequence[int] = ()
    most: int = 0
    rungs: Sequence[int] = ()


class Plan(ABC):
    """Asked for one trial after the other, told how each ended.

    A plan's state is made of nothing but what it was asked and told, in order: a study that is
    resumed after any death has the same plan, once `recall`, `report` and `tell` have repeated its history.
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
    @abstractmethod
    def forecast(self) -> Forecast:
        """What is to come, for whoever estimates the time that it takes."""

    @property
    def waiting(self) -> bool:
        """Whether the next trial must wait for one that runs."""
        return False

    @property
    def blocked(self) -> str:
        """Why no further trial makes sense; empty as long as one does."""
        return ""

    @abstractmethod
    def ask(self) -> StudyTrial:
        """The next trial. Raises InputError if it cannot be made."""

    @abstractmethod
    def recall(self, trial: StudyTrial) -> None:
        """A recorded trial, in place of `ask`. Raises InputError if the plan would not give it today."""

    def report(self, trial: StudyTrial, row: MetricRow) -> bool:
        """Hear of an epoch; whether the trial is to be stopped now."""
        return False

    @abstractmethod
    def tell(self, trial: StudyTrial) -> None:
        """Hear how a trial ended."""


def repeat(plan: Plan, trials: Sequence[StudyTrial]) -> list[StudyTrial]:
    """Repeat a study's history to a new plan, in the order in which it happened.

    trials: all that are recorded; their status is another one meanwhile. Returns those that had just lost
    their race when the study was cut off. Raises InputError if the plan would not give them today.
    """
    lost: list[StudyTrial] = []
    ends = {trial.number: trial.status for trial in trials if trial.has_ended}
    for trial in trials:
        trial.status = "running"  # as it was while the others began and ended
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
    """The place of the last event that is recorded; -1 before the first."""
    return max((max(trial.start_sequence, trial.finish_sequence or 0) for trial in trials), default=-1)
