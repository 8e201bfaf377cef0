"""What is known of a running study at a moment, for whoever shows it."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from cops_core.facts import MetricRow
from search_spaces.question.rates import best_per_method
from study.analysis.configurations import ConfigurationResult, by_configuration, comparable
from study.records.observer import Observer
from study.records.trial import StudyTrial
from study.run.progress.pace import Pace
from study.search.plan import Forecast


class Tally(Observer):
    """Counts, what runs, the best so far, the time left.

    forecast, at_once, now: see `Pace`.
    """

    def __init__(
        self,
        forecast: Callable[[], Forecast],
        at_once: int | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.running: dict[int, StudyTrial] = {}  # those that have a place
        self.status: Counter[str] = Counter()  # of trials that are over
        self.reused = 0
        self._forecast, self._now = forecast, now
        self._begun = now()
        self._pace = Pace(forecast, at_once, now)
        self._waiting: set[int] = set()  # for a place, to go on there
        self._ended: dict[int, StudyTrial] = {}
        self._hosts: set[str] = set()
        self._size: int | None = None
        self._best: list[ConfigurationResult] | None = None

    @property
    def trials_ended(self) -> int:
        """How many trials have ended."""
        return len(self._ended)

    @property
    def size(self) -> int:
        """Trials in all, at most: races may leave out seeds, and it becomes less as they are decided."""
        if self._size is None:
            forecast = self._forecast()
            to_come = len(forecast.certain) + sum(forecast.further) + forecast.unknown * (1 + forecast.most)
            self._size = self.trials_ended + len(self.running) + len(self._waiting) + to_come
        return self._size

    @property
    def seconds(self) -> float:
        """Since this launch began."""
        return self._now() - self._begun

    @property
    def left(self) -> float | None:
        """Seconds to the end; None as long as nothing is known of the pace."""
        return self._pace.left

    @property
    def best(self) -> list[ConfigurationResult]:
        """The best of each method, of the trials that are over.

        Trials that run would hold back the seeds of their configuration that are over.
        """
        if self._best is None:
            ended = by_configuration(list(self._ended.values()))
            self._best = best_per_method(comparable(ended)) if ended else []
        return self._best

    @property
    def spread(self) -> bool:
        """Whether trials ran on more than one machine."""
        return len(self._hosts) > 1

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Trials from before; those that have not ended wait to go on."""
        for trial in trials:
            if trial.has_ended:
                self._end(trial)
            else:
                self._waiting.add(trial.number)
        self._pace.recalled(trials)

    def started(self, trial: StudyTrial) -> None:
        """One more runs."""
        self._waiting.discard(trial.number)
        self.running[trial.number] = trial
        self._size = None
        self._pace.started(trial)

    def resumed(self, trial: StudyTrial) -> None:
        """As if it had started."""
        self.started(trial)

    def lost(self, trial: StudyTrial, reason: str) -> None:
        """It waits to go on."""
        self.running.pop(trial.number, None)
        self._waiting.add(trial.number)
        self._pace.lost(trial)

    def reported(self, trial: StudyTrial, row: MetricRow) -> None:
        """Its epoch tells the pace, and where it runs."""
        self._hosts.add(host(trial))
        self._pace.reported(trial)

    def ended(self, trial: StudyTrial) -> None:
        """It runs no more; it is over unless the study's end interrupted it."""
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
    """The machine on which a trial runs, as far as it was heard of."""
    return trial.node if trial.placed is None else trial.placed["host"]
