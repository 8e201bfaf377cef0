"""How long a study will still take, from how long its trials took so far."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from cops_core.config import TrialConfig
from study.records.trial import FAILURES, OPEN, StudyTrial
from study.search.plan import Forecast

# What is assumed before anything is known, and how many observations that counts as.
KEPT = 1 / 3  # of the trials at a rung of a race; those that come early, before there is a bar, do better
SHARE_WEIGHT, RACE_WEIGHT = 8.0, 16.0
# Configurations whose first trial ran to its end, and that are then given a second seed by racing; and a
# third. The bar rises: what is seen early promises too many.
SECOND, THIRD, FURTHER_WEIGHT = 0.45, 0.85, 4.0
REUSED_WEIGHT = 2.0  # proposals whose result was not there already
# Machines get busier and idler: of the weight of an observation, so much is left with each that follows.
MEMORY_EPOCHS, MEMORY_TRIALS = 0.995, 0.97
MASKED = 0.9  # of the dense network's seconds, for what has not been seen yet

# Trials that cost about the same: what becomes of the weights, the network, the data.
Kind = tuple[str, str, str]


@dataclass
class _Mean:
    """A mean in which what is long ago counts less."""

    memory: float
    total: float = 0.0
    weight: float = 0.0

    def add(self, value: float) -> None:
        self.total = self.total * self.memory + value
        self.weight = self.weight * self.memory + 1


@dataclass
class _Cost:
    """Of a kind of trial, in seconds: until its first epoch begins, and each epoch."""

    setup: _Mean = field(default_factory=lambda: _Mean(MEMORY_TRIALS))
    epoch: _Mean = field(default_factory=lambda: _Mean(MEMORY_EPOCHS))


@dataclass
class _Running:
    """A trial that runs. begun, heard: when it was handed out, and when it was last heard of.

    known: epochs that it had when it was handed out. early: nothing had been heard of any trial then.
    """

    trial: StudyTrial
    begun: float
    heard: float
    known: int
    early: bool
    first_s: float = 0.0  # from its beginning to the end of its first epoch

    @property
    def epochs(self) -> int:
        return len(self.trial.rows) - self.known


class Pace:
    """Hears of a study's events as they happen, and says how many seconds are left.

    What a trial costs is its beginning (scores among it) and its epochs, a mean for each kind of trial.
    How many epochs a proposal will run, and how many seeds, follows from what others did, and before that
    from what races usually leave. Trials from before the launch count there, and not in the pace; results
    that are reused cost nothing.

    forecast: what the plan has yet to hand out. at_once: trials at a time; None for as many as were seen to
    be. now: a clock in seconds.
    """

    def __init__(
        self,
        forecast: Callable[[], Forecast],
        at_once: int | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._at_once, self._now = forecast, at_once, now
        self._costs: defaultdict[Kind, _Cost] = defaultdict(_Cost)
        self._running: dict[int, _Running] = {}
        self._waiting: dict[int, StudyTrial] = {}  # for a place, to go on there
        self._most_at_once = 1
        self._proposals: Counter[Kind] = Counter()
        self._reused = 0
        self._epochs = _Mean(MEMORY_TRIALS)  # of proposals, as configured
        self._share = _Mean(1.0)  # of their epochs that proposals ran
        # Further seeds, and trials after which they were the question: by whether it was the second seed.
        self._granted, self._decided = Counter[bool](), Counter[bool]()
        self._forecast: Forecast | None = None  # as it is since the last event

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Trials from before; those that have not ended wait for a place."""
        for trial in trials:
            self._propose(trial)
            if trial.status in OPEN:
                self._waiting[trial.number] = trial
            else:
                self._decide(trial)

    def started(self, trial: StudyTrial) -> None:
        """A trial has been handed out, for the first time or once more."""
        if self._waiting.pop(trial.number, None) is None:
            self._propose(trial)
        if not trial.reused_from:
            now, early = self._now(), not self._costs
            self._running[trial.number] = _Running(trial, now, now, len(trial.rows), early)
            self._most_at_once = max(self._most_at_once, len(self._running))

    def lost(self, trial: StudyTrial) -> None:
        """The trial's worker died: it waits for another place."""
        self._running.pop(trial.number, None)
        self._waiting[trial.number] = trial

    def reported(self, trial: StudyTrial) -> None:
        """The trial has finished an epoch."""
        running = self._running.get(trial.number)
        if running is None:
            return
        spent, running.heard = self._now() - running.heard, self._now()
        if running.epochs == 1:
            running.first_s = spent
            return
        cost = self._costs[_kind(trial.config)]
        cost.epoch.add(spent)
        if running.epochs == 2 and not running.early:
            cost.setup.add(max(running.first_s - spent, 0.0))

    def ended(self, trial: StudyTrial) -> None:
        """The trial has ended."""
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
        """The trial is there."""
        self._forecast = None
        if not trial.baseline:
            self._proposals[_kind(trial.config)] += 1
            self._reused += bool(trial.reused_from)
            if trial.seed_index:
                self._granted[trial.seed_index == 1] += 1
        self._epochs.add(trial.config.training.epochs)

    def _decide(self, trial: StudyTrial) -> None:
        """The trial is over: how far it came, and whether it might have had a further seed."""
        if trial.baseline or trial.status in FAILURES or trial.reused_from:
            return
        most = self._look().most
        if trial.seed_index == 0 or not most:
            trained = trial.status in ("finished", "stopped", "diverged")
            self._share.add(len(trial.rows) / trial.config.training.epochs if trained else 0.0)
        if trial.seed_index < most:
            self._decided[trial.seed_index == 0] += 1

    def _look(self) -> Forecast:
        if self._forecast is None:
            self._forecast = self._plan()
        return self._forecast

    @property
    def left(self) -> float | None:
        """Seconds to the study's end; None as long as nothing is known of the pace."""
        if not any(cost.epoch.weight for cost in self._costs.values()):
            return None
        forecast = self._look()
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
        places = min(self._at_once or self._most_at_once, max(len(running) + round(count), 1))
        left = (sum(running) + to_come) / places
        if count:
            # Places fall empty one after the other at the end: on average half a trial each.
            left += to_come / count * (places - 1) / places / 2
        return max(left, *running, 0.0) if running else left

    def _cost(self, kind: Kind) -> tuple[float, float]:
        """Seconds before the first epoch, and of each; of a kind not seen yet, those of the others."""
        epoch, setup = self._known(lambda cost: cost.epoch, kind), self._known(lambda cost: cost.setup, kind)
        return setup or 0.0, epoch or 0.0

    def _known(self, which: Callable[[_Cost], _Mean], like: Kind) -> float | None:
        """Of this kind; else the mean of those with the same network and data; else of all."""
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

    def _rest(self, running: _Running, forecast: Forecast) -> float:
        """Seconds that a trial that runs is expected to need still."""
        trial = running.trial
        epochs, done = trial.config.training.epochs, len(trial.rows)
        left: float = epochs - done
        if not trial.baseline and not (forecast.most and trial.seed_index):
            left = expected_epochs(epochs, forecast.rungs, done)
        setup, epoch = self._cost(_kind(trial.config))
        due = left * epoch + (setup if running.epochs == 0 else 0.0)
        return max(due - (self._now() - running.heard), 0.0)

    def _proposal(self, forecast: Forecast) -> tuple[float, float]:
        """Seconds of a first trial that nobody has proposed yet, and of a further seed: it is not stopped."""
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
        """That a configuration is given its second seed, for which its first must survive; or a later one."""
        # Whoever comes through the rungs has won already.
        usual, weight = SECOND if second else THIRD, FURTHER_WEIGHT
        if second and forecast.rungs:
            usual, weight = KEPT ** len(forecast.rungs), RACE_WEIGHT
        return min((self._granted[second] + weight * usual) / (self._decided[second] + weight), 1.0)


def _further_seeds(most: int, first: float, later: float) -> float:
    """How many of `most` further seeds are expected, from the chance of the first of them and of others."""
    return first * sum(later**count for count in range(most))


def expected_epochs(epochs: float, rungs: Iterable[int], done: int) -> float:
    """Of a trial in a race that has `done` of its `epochs`: how many it is expected to run still."""
    expected, reached, chance = 0.0, float(done), 1.0
    for rung in (rung for rung in rungs if done < rung < epochs):
        expected, reached, chance = expected + chance * (rung - reached), float(rung), chance * KEPT
    return expected + chance * (epochs - reached)


def _kind(config: TrialConfig) -> Kind:
    return config.arm, config.model, config.dataset


def _value(mean: _Mean) -> float | None:
    return mean.total / mean.weight if mean.weight else None
