"""A running study: hands out trials, takes their reports, and tells everybody who watches.

Knows neither Ray nor MLflow: the runner drives it, observers write what it says.
"""

import time
from collections.abc import Sequence
from typing import Any

from cops_core.errors import InputError
from study.observer import Observer
from study.plan import Plan
from study.trial import RESULTS, Status, StudyTrial


class StudyRun:
    """The state of a study while it runs. Nothing that a trial reported is ever dropped."""

    def __init__(self, plan: Plan, observers: Sequence[Observer]) -> None:
        self.plan = plan
        self.observers = observers
        self.trials: list[StudyTrial] = []
        self.space_error: InputError | None = None

    @property
    def over(self) -> bool:
        """Whether no further trial will be handed out."""
        return bool(self.plan.exhausted or self.plan.hopeless or self.space_error)

    @property
    def complete(self) -> bool:
        """Whether every trial of the plan has run to an end of its own."""
        return self.plan.exhausted and all(trial.status in (*RESULTS, "stopped") for trial in self.trials)

    def next_trial(self) -> StudyTrial | None:
        """The next trial; None if it has to wait, or if the study is over."""
        if self.over or self.plan.waiting:
            return None
        try:
            trial = self.plan.ask()
        except InputError as error:  # a user's space may fail on parameters it had not met before
            self.space_error = error
            return None
        self.trials.append(trial)
        for observer in self.observers:
            observer.started(trial)
        return trial

    def report(self, trial: StudyTrial, row: dict[str, float], facts: dict[str, Any] | None) -> None:
        """An epoch's metrics, with the trial's facts where they are new."""
        if facts is not None:
            trial.facts = facts
        if trial.add_row(row):
            for observer in self.observers:
                observer.reported(trial, row)

    def end(self, trial: StudyTrial, status: Status, reason: str = "") -> None:
        """A trial has ended."""
        trial.status, trial.reason, trial.ended = status, reason, time.time()
        self.plan.tell(trial)
        for observer in self.observers:
            observer.ended(trial)

    def interrupt(self) -> None:
        """The study ends now: trials still running are recorded as interrupted."""
        for trial in self.trials:
            if trial.status == "running":
                self.end(trial, "interrupted", "the study ended while this trial ran")

    def tick(self) -> None:
        """Time has passed."""
        for observer in self.observers:
            observer.tick()
