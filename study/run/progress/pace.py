"""Estimates the remaining time of a study from the times of its trials so far."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from cops_core.config import TrialConfig
from study.records.trial import FAILURES, OPEN, StudyTrial
from study.search.plan import Forecast

# Assumptions before any observation, and the number of observations that each counts as.
KEPT = 1 / 3  # of the trials at a rung of a race; more of the early ones, which have few competitors
SHARE_WEIGHT, RACE_WEIGHT = 8.0, 16.0
# The shares of configurations that receive a second seed after a complete first trial, and a third one after
# the second. The competitors get better: early observations overestimate both.
SECOND, THIRD, FURTHER_WEIGHT = 0.45, 0.85, 4.0
REUSED_WEIGHT = 2.0  # proposals without a result that can be reused
# The load of machines changes: the weight of an observation is multiplied by this at each later one.
MEMORY_EPOCHS, MEMORY_TRIALS = 0.995, 0.97
MASKED = 0.9  # of the dense network's seconds, for a masked network without observations

# Trials with about the same cost: arm, network, data.
Kind = tuple[str, str, str]


@dataclass
class _Mean:
    """A mean in which old values count less."""

    memory: float
    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float) -> None:
        self.total = self.total * self.memory + value
        self.weight = self.weight * self.memory + 1


@dataclass
class _Cost:
    """The cost of a kind of trial in seconds: the time before its first epoch, and the time of an epoch."""

    setup: _Mean = field(default_factory=lambda: _Mean(MEMORY_TRIALS))
    epoch: _Mean = field(default_factory=lambda: _Mean(MEMORY_EPOCHS))


@dataclass
class _RunningTrial:
    """A running trial.

    Attributes:
        trial: The trial.
        reported_at: When it was handed out, or last reported an epoch.
        known: The epochs that it had when it was handed out.
        early: Whether no trial had reported an epoch then: workers start at that time.
        first_s: The time from its start to the end of its first epoch, in seconds.
    """

    trial: StudyTrial
    reported_at: float
    known: int
    early: bool
    first_s: float = 0.0

    @property
    def epochs(self) -> int:
        return len(self.trial.rows) - self.known


class Pace:
    """Receives a study's events, and estimates the remaining time.

    The cost of a trial is its setup (with the scores) and its epochs: each is a mean for its kind of trial.
    How many epochs and seeds a proposal will have is estimated from earlier proposals, and at first from
    assumptions about races. Trials of earlier launches count for this, but not for the cost. Reused results
    cost nothing.

    Args:
        forecast: What the plan will still hand out.
        concurrency: Trials at a time; None is the largest number that was observed.
        now: A clock in seconds.
    """

    def __init__(
        self,
        forecast: Callable[[], Forecast],
        concurrency: int | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._concurrency, self._now = forecast, concurrency, now
        self._costs: defaultdict[Kind, _Cost] = defaultdict(_Cost)
        self._running: dict[int, _RunningTrial] = {}
        self._waiting: dict[int, StudyTrial] = {}  # to be resumed
        self._max_running = 1
        self._proposals: Counter[Kind] = Counter()
        self._reused = 0
        self._epochs = _Mean(MEMORY_TRIALS)  # of proposals, as configured
        self._share = _Mean(1.0)  # of their epochs that proposals ran
        # The further seeds, and the trials after which one was possible. The key: is it the second seed?
        self._granted, self._decided = Counter[bool](), Counter[bool]()
        self._forecast: Forecast | None = None  # since the last event

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Receive recorded trials. Those that have not ended wait to be resumed."""
        for trial in trials:
            self._propose(trial)
            if trial.status in OPEN:
                self._waiting[trial.number] = trial
            else:
                self._decide(trial)

    def started(self, trial: StudyTrial) -> None:
        """Receive a trial that was handed out, for the first time or again."""
        if self._waiting.pop(trial.number, None) is None:
            self._propose(trial)
        if not trial.reused_from:
            now, early = self._now(), not self._costs
            self._running[trial.number] = _RunningTrial(trial, now, len(trial.rows), early)
            self._max_running = max(self._max_running, len(self._running))

    def lost(self, trial: StudyTrial) -> None:
        """Receive a trial that lost its worker: it waits to be resumed."""
        self._running.pop(trial.number, None)
        self._waiting[trial.number] = trial

    def reported(self, trial: StudyTrial) -> None:
        """Receive the end of an epoch."""
        running = self._running.get(trial.number)
        if running is None:
            return
        spent, running.reported_at = self._now() - running.reported_at, self._now()
        if running.epochs == 1:
            running.first_s = spent
            return
        cost = self._costs[_kind(trial.config)]
        cost.epoch.add(spent)
        if running.epochs == 2 and not running.early:
            cost.setup.add(max(running.first_s - spent, 0.0))

    def ended(self, trial: StudyTrial) -> None:
        """Receive the end of a trial."""
        self._forecast = None
        self._waiting.pop(trial.number, None)
        running = self._running.pop(trial.number, None)
        if trial.status in OPEN:
            return
        self._decide(trial)
        if (
            running is None
            or running.early
            or running.epochs != 1
            or trial.status not in ("finished", "stopped")
        ):
            return
        cost = self._costs[_kind(trial.config)]
        usual = _value(cost.epoch)
        if usual is None or trial.config.training.epochs == 1:
            cost.epoch.add(running.first_s)
        else:
            cost.setup.add(max(running.first_s - usual, 0.0))

    def _propose(self, trial: StudyTrial) -> None:
        """Count a new trial."""
        self._forecast = None
        if not trial.baseline:
            self._proposals[_kind(trial.config)] += 1
            self._reused += bool(trial.reused_from)
            if trial.seed_index:
                self._granted[trial.seed_index == 1] += 1
        self._epochs.add(trial.config.training.epochs)

    def _decide(self, trial: StudyTrial) -> None:
        """Count the epochs of an ended trial, and whether a further seed was possible after it."""
        if trial.baseline or trial.status in FAILURES or trial.reused_from:
            return
        most = self._current_forecast().most
        if trial.seed_index == 0 or not most:
            trained = trial.status in ("finished", "stopped", "diverged")
            self._share.add(len(trial.rows) / trial.config.training.epochs if trained else 0.0)
        if trial.seed_index < most:
            self._decided[trial.seed_index == 0] += 1

    def _current_forecast(self) -> Forecast:
        if self._forecast is None:
            self._forecast = self._plan()
        return self._forecast

    @property
    def left(self) -> float | None:
        """The seconds until the study ends; None before the first observation."""
        if not any(cost.epoch.weight for cost in self._costs.values()):
            return None
        forecast = self._current_forecast()
        running = [self._rest(trial, forecast) for trial in self._running.values()]
        waiting = [
            self._whole(t.config, t.config.training.epochs - len(t.rows)) for t in self._waiting.values()
        ]
        certain = [self._whole(config, config.training.epochs) for config in forecast.certain]
        first, further = self._proposal(forecast)
        second, later = self._chance(True, forecast), self._chance(False, forecast)
        seeds = forecast.unknown * _further_seeds(forecast.most, second, later)
        seeds += sum(
            _further_seeds(count, second if count == forecast.most else later, later)
            for count in forecast.further
        )
        to_come = sum(waiting) + sum(certain) + forecast.unknown * first + seeds * further
        count = len(waiting) + len(certain) + forecast.unknown + seeds
        places = min(self._concurrency or self._max_running, max(len(running) + round(count), 1))
        left = (sum(running) + to_come) / places
        if count:
            # At the end places become empty one after the other: each idles for half a trial on average.
            left += to_come / count * (places - 1) / places / 2
        return max(left, *running, 0.0) if running else left

    def _cost(self, kind: Kind) -> tuple[float, float]:
        """The seconds before the first epoch, and of an epoch. A new kind has those of the other kinds."""
        epoch, setup = self._known(lambda cost: cost.epoch, kind), self._known(lambda cost: cost.setup, kind)
        return setup or 0.0, epoch or 0.0

    def _known(self, which: Callable[[_Cost], _Mean], like: Kind) -> float | None:
        """The mean of this kind; else of the kinds with the same network and data; else of all."""
        means = {
            kind: found for kind, cost in self._costs.items() if (found := _value(which(cost))) is not None
        }
        if like in means or not means:
            return means.get(like)
        near = {kind: mean for kind, mean in means.items() if kind[1:] == like[1:]} or means
        return fmean(mean * (MASKED if kind[0] == "dense" else 1.0) for kind, mean in near.items())

    def _whole(self, config: TrialConfig, epochs: float) -> float:
        setup, epoch = self._cost(_kind(config))
        return setup + epoch * epochs

    def _rest(self, running: _RunningTrial, forecast: Forecast) -> float:
        """The seconds that a running trial is expected to need."""
        trial = running.trial
        epochs, done = trial.config.training.epochs, len(trial.rows)
        left: float = epochs - done
        if not trial.baseline and not (forecast.most and trial.seed_index):
            left = expected_epochs(epochs, forecast.rungs, done)
        setup, epoch = self._cost(_kind(trial.config))
        due = left * epoch + (setup if running.epochs == 0 else 0.0)
        return max(due - (self._now() - running.reported_at), 0.0)

    def _proposal(self, forecast: Forecast) -> tuple[float, float]:
        """The expected seconds of a proposal's first trial, and of a further seed, which is never stopped."""
        if not forecast.unknown and not forecast.most:
            return 0.0, 0.0
        pruned = {kind for kind in self._kinds(forecast) if kind[0] != "dense"} or self._kinds(forecast)
        weights = {kind: 1 + self._proposals[kind] for kind in pruned}
        costs = {kind: self._cost(kind) for kind in pruned}
        every = sum(weights.values())
        setup, epoch = (sum(weights[kind] * costs[kind][i] for kind in pruned) / every for i in (0, 1))
        epochs = _value(self._epochs) or 0.0
        usual = expected_epochs(epochs, forecast.rungs, 0) / max(epochs, 1)
        weight = RACE_WEIGHT if forecast.rungs else SHARE_WEIGHT
        share = (self._share.total + weight * usual) / (self._share.weight + weight)
        new = 1 - self._reused / (sum(self._proposals.values()) + REUSED_WEIGHT)
        return (setup + epoch * epochs * share) * new, setup + epoch * epochs

    def _kinds(self, forecast: Forecast) -> set[Kind]:
        return {*self._costs, *self._proposals, *map(_kind, forecast.certain)}

    def _chance(self, second: bool, forecast: Forecast) -> float:
        """The chance that a configuration receives its second seed; or, for `second` False, a later one."""
        # With rungs, a first trial that is not stopped has won its race already.
        usual, weight = SECOND if second else THIRD, FURTHER_WEIGHT
        if second and forecast.rungs:
            usual, weight = KEPT ** len(forecast.rungs), RACE_WEIGHT
        return min((self._granted[second] + weight * usual) / (self._decided[second] + weight), 1.0)


def _further_seeds(most: int, first: float, later: float) -> float:
    """The expected number of further seeds, at most `most`. first, later: their chances."""
    return first * sum(later**count for count in range(most))


def expected_epochs(epochs: float, rungs: Iterable[int], done: int) -> float:
    """The number of epochs that a trial in a race is expected to run.

    Args:
        epochs: Of a complete trial.
        rungs: The epochs at which the race stops trials.
        done: The epochs that the trial has run.
    """
    expected, reached, chance = 0.0, float(done), 1.0
    for rung in (rung for rung in rungs if done < rung < epochs):
        expected, reached, chance = expected + chance * (rung - reached), float(rung), chance * KEPT
    return expected + chance * (epochs - reached)


def _kind(config: TrialConfig) -> Kind:
    return config.arm, config.model, config.dataset


def _value(mean: _Mean) -> float | None:
    return mean.total / mean.weight if mean.weight else None
