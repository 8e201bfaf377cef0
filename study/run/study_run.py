"""A running study: hands out trials, receives their reports, and informs its observers.

It depends on neither Ray nor MLflow: `study.run.ray` runs the trials, observers write the results.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from cops_core.facts import MetricRow
from study.records.facts import TrialFacts
from study.records.observer import Observer
from study.records.trial import FAILURES, RESULTS, Status, StudyTrial
from study.search.plan import Plan, last_event, repeat

# Fewer failures than this never end a study, whatever their share is.
MIN_FAILURES = 3

Identify = Callable[[TrialConfig], str]
# Gives a new trial its end without running it, if that is known; returns whether it is.
Settle = Callable[[StudyTrial], bool]


class StudyRun:
    """The state of a study while it runs. It keeps everything that a trial has reported.

    Attributes:
        plan: What is run next.
        trials: All trials that have started, by number.
        space_error: Why the search space failed; None if it did not.
        stopped_because: Why the study was stopped early; empty if it was not.

    Args:
        plan: What is run next.
        identify: Computes the identity of a configuration.
        settle: Ways in which a new trial may have its end without running; the first that knows it decides.
        failure_share: A larger share of failed trials stops the study.
    """

    def __init__(
        self,
        plan: Plan,
        identify: Identify,
        *,
        settle: Sequence[Settle] = (),
        failure_share: float = 1.0,
    ) -> None:
        self.plan = plan
        self.trials: list[StudyTrial] = []
        self.space_error: InputError | None = None
        self.stopped_because = ""
        self._identify = identify
        self._settle = settle
        self._failure_share = failure_share
        self._observers: Sequence[Observer] = ()
        self._unfinished: deque[StudyTrial] = deque()
        self._lost: list[StudyTrial] = []  # lost their race just before the study was interrupted
        self._event = 0
        self._failed = 0
        self._last_turn = ""  # why the study ends after this turn

    def recall(self, trials: Sequence[StudyTrial]) -> None:
        """Repeat the recorded events in their order. Trials that have not ended will be resumed.

        Args:
            trials: The recorded trials.

        Raises:
            InputError: The plan does not give these trials, or they have other identities now, because of
                other data, plugins or numerics.
        """
        self._check_identities(trials)
        self._lost = repeat(self.plan, trials)
        self._event = last_event(trials) + 1
        self.trials = sorted(trials, key=lambda trial: trial.number)
        for trial in self.trials:
            if not trial.has_ended:
                trial.reason, trial.ended = "", None
                if trial not in self._lost and not trial.rejected:
                    self._unfinished.append(trial)

    def _check_identities(self, trials: Sequence[StudyTrial]) -> None:
        for trial in trials:
            if trial.identity != self._identify(trial.config):
                raise InputError(
                    f"trial {trial.number} is not the recorded one: the data set {trial.config.dataset!r}, a"
                    " plugin or the numerics changed. Write the right --data-root, or choose another --name"
                )

    def watch(self, observers: Sequence[Observer]) -> None:
        """Inform these observers from now on, first of the recorded trials."""
        self._observers = observers
        for observer in observers:
            observer.recalled(self.trials)
        for trial in self._lost:
            self.end(trial, "stopped")
        for trial in self.trials:
            if trial.rejected and not trial.has_ended:  # its driver died between its start and its end
                self.end(trial, "rejected", trial.rejected)

    @property
    def has_ended(self) -> bool:
        """Whether no further trial will be handed out."""
        if self.stopped_because:
            return True
        ended = bool(self.plan.exhausted or self.plan.blocked or self.space_error)
        # A running trial may have to run again.
        return ended and all(trial.has_ended for trial in self.trials)

    @property
    def complete(self) -> bool:
        """Whether every trial of the plan has a result, was stopped by its race, or rejected by the space."""
        ended = all(trial.status in (*RESULTS, "stopped", "rejected") for trial in self.trials)
        return ended and self.plan.exhausted and self.space_error is None

    def next_trial(self) -> StudyTrial | None:
        """The next trial to run; None if it has to wait, or if the study has ended."""
        while not self.has_ended:
            if self._unfinished:
                trial = self._unfinished.popleft()
                for observer in self._observers:
                    observer.resumed(trial)
                return trial
            if self._last_turn and not self.plan.mid_turn:
                return None
            if self.plan.waiting or self.plan.exhausted or self.plan.blocked or self.space_error:
                return None
            try:
                trial = self.plan.ask()
                trial.identity = self._identify(trial.config)
            except InputError as error:  # a user's space may fail on new parameters
                self.space_error = error
                return None
            trial.start_sequence = self._next_event()
            self.trials.append(trial)
            if not any(settle(trial) for settle in self._settle):
                for observer in self._observers:
                    observer.started(trial)
                return trial
            self._adopt(trial)
        return None

    def _adopt(self, trial: StudyTrial) -> None:
        """Start and end a trial whose end is known without running it."""
        status, trial.status = trial.status, "running"
        for observer in self._observers:
            observer.started(trial)
        for row in trial.rows:
            self.plan.report(trial, row)
            for observer in self._observers:
                observer.reported(trial, row)
        self.end(trial, status, trial.reason)

    def report(self, trial: StudyTrial, rows: Sequence[MetricRow], facts: TrialFacts | None = None) -> bool:
        """Receive the metrics of a trial's epochs, and its facts.

        Known epochs are ignored: a trial that was resumed on another worker reports its last epoch again.

        Args:
            trial: That reports.
            rows: The metrics of its epochs.
            facts: None if they have not changed.

        Returns:
            Whether to stop the trial now.
        """
        if facts is not None:
            trial.facts = facts
        for row in rows:
            if trial.add_row(row):
                stop = self.plan.report(trial, row)
                for observer in self._observers:
                    observer.reported(trial, row)
                if stop:
                    return True
        return False

    def requeue(self, trial: StudyTrial, reason: str) -> None:
        """Hand out a trial again, before any new trial, after it has lost its worker."""
        self._unfinished.append(trial)
        for observer in self._observers:
            observer.lost(trial, reason)

    def end(self, trial: StudyTrial, status: Status, reason: str = "", log: str = "") -> None:
        """Receive the end of a trial.

        Args:
            trial: That has ended.
            status: How it ended.
            reason: Why, in one line.
            log: The text of an error.
        """
        trial.reason, trial.log, trial.ended = reason, log, time.time()
        trial.finish_sequence = self._next_event()
        trial.status = status
        self.plan.tell(trial)
        for observer in self._observers:
            observer.ended(trial)
        if status in FAILURES:
            self._count_failure()
        self._end_turn()

    def _count_failure(self) -> None:
        """Count the failures of this launch; those of earlier launches do not count."""
        self._failed += 1
        size = max(self.plan.configurations, len(self.trials))
        if self._failed >= MIN_FAILURES and self._failed > self._failure_share * size:
            self.stop(
                f"{self._failed} of {size} trials failed, more than the allowed share of"
                f" {self._failure_share:.0%}: fix the cause and resume with --retry, or allow more with"
                " --failure-share"
            )

    def stop(self, because: str) -> None:
        """Stop the study early, for this reason: no trial starts any more, running trials are interrupted."""
        self.stopped_because = self.stopped_because or because

    def end_after_turn(self, because: str) -> None:
        """Stop the study early once the plan's turn is complete and all its trials have ended.

        Args:
            because: The reason.
        """
        self._last_turn = because
        self._end_turn()

    def _end_turn(self) -> None:
        """Stop the study if its last turn has ended and the plan has more."""
        over = self._last_turn and not self.plan.mid_turn and not self.plan.exhausted
        if over and all(trial.has_ended for trial in self.trials):
            self.stop(self._last_turn)

    def interrupt(self) -> None:
        """End the study now. Running trials become interrupted, and continue when the study is resumed."""
        for trial in self.trials:
            if trial.status == "running":
                trial.status, trial.ended = "interrupted", time.time()
                trial.reason = "the study ended while this trial ran"
                for observer in self._observers:
                    observer.ended(trial)

    def tick(self) -> None:
        """Inform the observers that time has passed."""
        for observer in self._observers:
            observer.tick()

    def _next_event(self) -> int:
        event, self._event = self._event, self._event + 1
        return event
