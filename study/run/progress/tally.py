"""The state of a running study, for its views."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from cops_core.facts import MetricRow
from search_spaces.question.rates import best_per_method
from study.analysis.configurations import by_configuration, comparable
from study.analysis.fairness import Choice, choices
from study.records.observer import Observer
from study.records.trial import StudyTrial
from study.run.progress.pace import Pace
from study.search.plan import Forecast


class Tally(Observer):
    """Counts the trials of a study, and has the running ones, the best ones and the remaining time.

    Attributes:
        running: The running trials, by number.
        status: How many trials ended with each status.
        reused: How many results were reused.
        limit: The launch's time limit; None if it has none.

    Args:
        forecast: See `Pace`.
        concurrency: See `Pace`.
        now: See `Pace`.
        limit: The time that the launch may take, as the user wrote it.
    """

    def __init__(
        self,
        forecast: Callable[[], Forecast],
        concurrency: int | None = None,
        now: Callable[[], float] = time.monotonic,
        limit: str | None = None,
    ) -> None:
        self.running: dict[int, StudyTrial] = {}
        self.status: Counter[str] = Counter()
        self.reused = 0
        self.limit = limit
        self._forecast, self._now = forecast, now
        self._started_at = now()
        self._pace = Pace(forecast, concurrency, now)
        self._waiting: set[int] = set()  # to be resumed
        self._ended: dict[int, StudyTrial] = {}
        self._hosts: set[str] = set()
        self._size: int | None = None
        self._best: list[Choice] | None = None

    @property
    def trials_ended(self) -> int:
        """How many trials have ended."""
        return len(self._ended)

    @property
    def size(self) -> int:
        """The largest number of trials that the study can have. It decreases when races leave out seeds."""
        if self._size is None:
            forecast = self._forecast()
            to_come = len(forecast.certain) + sum(forecast.further) + forecast.unknown * (1 + forecast.most)
            self._size = self.trials_ended + len(self.running) + len(self._waiting) + to_come
        return self._size

    @property
    def seconds(self) -> float:
        """The seconds since this launch started."""
        return self._now() - self._started_at

    @property
    def left(self) -> float | None:
        """The seconds until the study ends; None before the first observation."""
        return self._pace.left

    @property
    def best(self) -> list[Choice]:
        """The best configuration of each method, from the configurations whose trials have ended.

        Running trials are left out: with them, the ended seeds of their configurations would not be compared.
        """
        if self._best is None:
            ended = by_configuration(list(self._ended.values()))
            self._best = list(choices(best_per_method(comparable(ended)), ended))
        return self._best

    @property
    def spread(self) -> bool:
        """Whether trials ran on more than one machine."""
        return len(self._hosts) > 1

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Receive recorded trials. Those that have not ended wait to be resumed."""
        for trial in trials:
            if trial.has_ended:
                self._end(trial)
            else:
                self._waiting.add(trial.number)
        self._pace.recalled(trials)

    def started(self, trial: StudyTrial) -> None:
        """Receive a trial that was handed out."""
        self._waiting.discard(trial.number)
        self.running[trial.number] = trial
        self._size = None
        self._pace.started(trial)

    def resumed(self, trial: StudyTrial) -> None:
        """Receive a trial that was handed out again."""
        self.started(trial)

    def lost(self, trial: StudyTrial, reason: str) -> None:
        """Receive a trial that lost its worker: it waits to be resumed."""
        self.running.pop(trial.number, None)
        self._waiting.add(trial.number)
        self._pace.lost(trial)

    def reported(self, trial: StudyTrial, row: MetricRow) -> None:
        """Receive the end of an epoch."""
        self._hosts.add(host(trial))
        self._pace.reported(trial)

    def ended(self, trial: StudyTrial) -> None:
        """Receive the end of a trial. A trial that was interrupted with its study waits to be resumed."""
        self.running.pop(trial.number, None)
        self._waiting.discard(trial.number)
        if trial.has_ended:
            self._end(trial)
        else:
            self._waiting.add(trial.number)
        self._pace.ended(trial)

    def _end(self, trial: StudyTrial) -> None:
        self._ended[trial.number] = trial
        self.status[trial.status] += 1
        self.reused += bool(trial.reused_from)
        self._size = self._best = None


def host(trial: StudyTrial) -> str:
    """The machine on which a trial runs, as far as it is known."""
    return trial.node if trial.placed is None else trial.placed["host"]
