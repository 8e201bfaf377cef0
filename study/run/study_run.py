"""A running study: hands out trials, takes their reports, and tells everybody who watches.

Knows neither Ray nor MLflow: the runner drives it, observers write what it says.
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

# Fewer failures than this never end a study, whatever share of it they are.
FEWEST_FAILURES = 3

Identify = Callable[[TrialConfig], str]
# Gives a new trial the result of the same trial elsewhere, if there is one; says whether it did.
Reuse = Callable[[StudyTrial], bool]


class StudyRun:
    """The state of a study while it runs. Nothing that a trial reported is ever dropped.

    identify: a configuration's identity as a trial. reuse: where finished trials are found again; None
    runs every trial. failure_share: more failures than this share of all trials end the study.
    """

    def __init__(
        self, plan: Plan, identify: Identify, *, reuse: Reuse | None = None, failure_share: float = 1.0
    ) -> None:
        self.plan = plan
        self.trials: list[StudyTrial] = []
        self.space_error: InputError | None = None
        self.stopped_because = ""
        self._identify = identify
        self._reuse = reuse
        self._failure_share = failure_share
        self._observers: Sequence[Observer] = ()
        self._unfinished: deque[StudyTrial] = deque()
        self._lost: list[StudyTrial] = []  # had just lost their race when the study was cut off
        self._event = 0
        self._failed = 0

    def recall(self, trials: Sequence[StudyTrial]) -> None:
        """Repeat what is recorded, in the order in which it happened; what was cut off will go on.

        Raises InputError if the plan would not give these trials today, or if they are other trials
        today: other data, other numerics.
        """
        self._check_identities(trials)
        self._lost = repeat(self.plan, trials)
        self._event = last_event(trials) + 1
        self.trials = sorted(trials, key=lambda trial: trial.number)
        for trial in self.trials:
            if not trial.has_ended:
                trial.reason, trial.ended = "", None
                if trial not in self._lost:
                    self._unfinished.append(trial)

    def _check_identities(self, trials: Sequence[StudyTrial]) -> None:
        for trial in trials:
            if trial.identity != self._identify(trial.config):
                raise InputError(
                    f"trial {trial.number} is another one today, since the data set {trial.config.dataset!r},"
                    " a plugin or the numerics changed: name the right --data-root, or choose another --name"
                )

    def watch(self, observers: Sequence[Observer]) -> None:
        """Tell these from now on, first of all what is there already."""
        self._observers = observers
        for observer in observers:
            observer.recalled(self.trials)
        for trial in self._lost:
            self.end(trial, "stopped")

    @property
    def has_ended(self) -> bool:
        """Whether no further trial will be handed out."""
        if self.stopped_because:
            return True
        ended = bool(self.plan.exhausted or self.plan.blocked or self.space_error)
        return ended and all(trial.has_ended for trial in self.trials)  # one that runs may have to run again

    @property
    def complete(self) -> bool:
        """Whether every trial of the plan has run to an end of its own."""
        ended = all(trial.status in (*RESULTS, "stopped") for trial in self.trials)
        return ended and self.plan.exhausted and self.space_error is None

    def next_trial(self) -> StudyTrial | None:
        """The next trial to run; None if it has to wait, or if the study is over."""
        while not self.has_ended:
            if self._unfinished:
                trial = self._unfinished.popleft()
                for observer in self._observers:
                    observer.resumed(trial)
                return trial
            if self.plan.waiting or self.plan.exhausted or self.plan.blocked or self.space_error:
                return None
            try:
                trial = self.plan.ask()
                trial.identity = self._identify(trial.config)
            except InputError as error:  # a user's space may fail on parameters it had not met before
                self.space_error = error
                return None
            trial.start_sequence = self._next_event()
            self.trials.append(trial)
            if self._reuse is None or not self._reuse(trial):
                for observer in self._observers:
                    observer.started(trial)
                return trial
            self._take_over(trial)
        return None

    def _take_over(self, trial: StudyTrial) -> None:
        """A trial whose result was there already: it starts and ends at once."""
        status, trial.status = trial.status, "running"
        for observer in self._observers:
            observer.started(trial)
        for row in trial.rows:
            self.plan.report(trial, row)
            for observer in self._observers:
                observer.reported(trial, row)
        self.end(trial, status, trial.reason)

    def report(self, trial: StudyTrial, rows: Sequence[MetricRow], facts: TrialFacts | None = None) -> bool:
        """Epochs' metrics, with the trial's facts where they are new; whether to stop the trial now.

        Epochs that are known already are passed over: a trial that went on elsewhere reports its last again.
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

    def again(self, trial: StudyTrial, reason: str) -> None:
        """The trial has lost its worker: it goes on elsewhere, before any new trial."""
        self._unfinished.append(trial)
        for observer in self._observers:
            observer.lost(trial, reason)

    def end(self, trial: StudyTrial, status: Status, reason: str = "", log: str = "") -> None:
        """A trial has ended."""
        trial.reason, trial.log, trial.ended = reason, log, time.time()
        trial.finish_sequence = self._next_event()
        trial.status = status
        self.plan.tell(trial)
        for observer in self._observers:
            observer.ended(trial)
        if status in FAILURES:
            self._count_failure()

    def _count_failure(self) -> None:
        """Of this launch alone: a study that is resumed has its failures behind it."""
        self._failed += 1
        size = max(self.plan.configurations, len(self.trials))
        if self._failed >= FEWEST_FAILURES and self._failed > self._failure_share * size:
            self.stop(
                f"{self._failed} of {size} trials failed, more than the share of"
                f" {self._failure_share:.0%} that is allowed: mend the cause and go on with --retry, or allow"
                " more with --failure-share"
            )

    def stop(self, because: str) -> None:
        """End the study early: no further trial, and those that run are interrupted."""
        self.stopped_because = self.stopped_because or because

    def interrupt(self) -> None:
        """The study ends now: trials still running are recorded as interrupted, and go on when resumed."""
        for trial in self.trials:
            if trial.status == "running":
                trial.status, trial.ended = "interrupted", time.time()
                trial.reason = "the study ended while this trial ran"
                for observer in self._observers:
                    observer.ended(trial)

    def tick(self) -> None:
        """Time has passed."""
        for observer in self._observers:
            observer.tick()

    def _next_event(self) -> int:
        event, self._event = self._event, self._event + 1
        return event
