"""Trials that differ only in their seed, as one result."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import groupby
from statistics import fmean

from cops_core.trainers import Measure
from study.analysis.statistics import Interval, interval
from study.analysis.words import marked, measured, size
from study.records.trial import COMPARABLE, FAILURES, OPEN, Status, StudyTrial

# The status of a configuration whose trials ended differently: the first of these that a trial has.
WORST_FIRST: tuple[Status, ...] = (
    *OPEN,
    *FAILURES,
    "stopped",
    "diverged",
    "infeasible",
    "rejected",
    "collapsed",
    "finished",
)


@dataclass(frozen=True)
class ConfigurationResult:
    """A configuration and its results.

    Attributes:
        number: Its place in the study, from 0 on.
        trials: One or more, one per seed, by seed index.
    """

    number: int
    trials: tuple[StudyTrial, ...]

    @property
    def title(self) -> str:
        """The configuration's title in tables: `freeze cops(snip; synflow 0.3) q=0.99`."""
        return self.trials[0].title

    @property
    def rate(self) -> Decimal | None:
        """The freezing rate within which it is compared; None if the rate is not an axis."""
        return self.trials[0].rate

    @property
    def method(self) -> str:
        """The name under which it is compared: `freeze cops(snip; synflow)`."""
        return self.trials[0].method

    @property
    def detailed_method(self) -> str:
        """The method with its levels, without its rate: `freeze cops(snip; synflow 0.3)`."""
        return self.trials[0].detailed_method

    @property
    def marked_method(self) -> str:
        """The detailed method and notes on it and its mean: `(collapsed)`, `(1 of 3 at chance)`."""
        return marked(self.detailed_method, self.trials[0].config.caveat, self._mean_note)

    @property
    def _mean_note(self) -> str:
        if self.status == "collapsed":
            return "collapsed"
        count, all_trials = sum(trial.at_chance for trial in self.trials), len(self.trials)
        some = f"{count} of {all_trials} " if count < all_trials else ""
        return f"{some}at chance" if count else ""

    @property
    def freezing_rate(self) -> Decimal | None:
        """The frozen share, also if it is not an axis; None for the dense configuration."""
        return self.trials[0].freezing_rate

    @property
    def density(self) -> float:
        """The kept fraction; 1 for the dense configuration."""
        return self.trials[0].density

    @property
    def status(self) -> Status:
        """The status of its trials; if they differ, the worst one."""
        found = {trial.status for trial in self.trials}
        return next(status for status in WORST_FIRST if status in found)

    @property
    def measure(self) -> Measure:
        """The number by which it is compared: the validation accuracy, or what its trainer says."""
        return self.trials[0].measure

    @cached_property
    def accuracies(self) -> dict[int, float]:
        """The last epoch's validation accuracy, or value of its measure, by seed index."""
        return {t.seed_index: t.accuracy for t in self.trials if not math.isnan(t.accuracy)}

    @cached_property
    def mean(self) -> float:
        """The mean accuracy over the seeds; NaN without any."""
        return fmean(self.accuracies.values()) if self.accuracies else math.nan

    @property
    def quality(self) -> float:
        """The mean as a number of which more is better; NaN without any."""
        return self.measure.quality(self.mean)

    @cached_property
    def interval(self) -> Interval | None:
        """The mean accuracy with its deviation and 95 % interval; None without any accuracy."""
        return interval(list(self.accuracies.values())) if self.accuracies else None

    @property
    def judges(self) -> int | None:
        """The number of the configuration that it trains again on fresh seeds; None if it chooses."""
        return self.trials[0].judges

    @cached_property
    def tests(self) -> dict[int, float]:
        """The measure on the test part by seed index, of the whole trainings that were evaluated on it."""
        whole = [trial for trial in self.trials if trial.status in COMPARABLE]
        return {t.seed_index: t.test_accuracy for t in whole if t.test_accuracy is not None}

    @property
    def test_interval(self) -> Interval | None:
        """The mean on the test part with its 95 % interval; None without any value."""
        return interval(list(self.tests.values())) if self.tests else None

    @property
    def test_quality(self) -> float:
        """The mean on the test part, as a number of which more is better; NaN without one."""
        return self.measure.quality(fmean(self.tests.values())) if self.tests else math.nan

    @property
    def shown_test(self) -> str:
        """The mean on the test part: `78.80 % ± 1.14 % (3 seeds)`; empty without any value."""
        found = self.test_interval
        return "" if found is None else measured(found, self.measure)

    @property
    def stored_bytes(self) -> float:
        """The mean size of its artefacts; NaN before the first network was built."""
        sizes = [trial.stored_bytes for trial in self.trials if not math.isnan(trial.stored_bytes)]
        return fmean(sizes) if sizes else math.nan

    @property
    def trained_parameters(self) -> int | None:
        """The number of trained values, the same with every seed; None before a network was built."""
        return next((t.trained_parameters for t in self.trials if t.facts is not None), None)

    @property
    def compression(self) -> float | None:
        """The number of all parameters over that of trained ones; None before a network was built."""
        return next((t.compression for t in self.trials if t.facts is not None), None)

    @property
    def arm(self) -> str:
        """The treatment of the weights outside the mask; `dense` without a mask."""
        return self.trials[0].config.arm

    @property
    def shown_accuracy(self) -> str:
        """`78.80 % ± 1.14 % (3 seeds)`, `78.80 % (1 seed)`; empty without any accuracy."""
        return "" if self.interval is None else measured(self.interval, self.measure)

    @property
    def shown_mean(self) -> str:
        """`78.80%`: the mean without its interval."""
        return f"{self.mean:{self.measure.spec}}"

    @property
    def shown_size(self) -> str:
        """The mean size of its artefacts with a unit: `14.2 kB`; empty if it is not known."""
        return size(self.stored_bytes)


def by_configuration(trials: Sequence[StudyTrial]) -> list[ConfigurationResult]:
    """Trials in groups by their configuration.

    Args:
        trials: Trials of one study.

    Returns:
        The configurations, by number.
    """

    def place(trial: StudyTrial) -> tuple[int, int]:
        return trial.configuration, trial.seed_index

    groups = groupby(sorted(trials, key=place), key=lambda trial: trial.configuration)
    return [ConfigurationResult(number, tuple(group)) for number, group in groups]


def choosing(configurations: Sequence[ConfigurationResult]) -> list[ConfigurationResult]:
    """The configurations from which validation chooses: all but those that are trained again on fresh seeds.

    Args:
        configurations: Those of one study.

    Returns:
        In order.
    """
    return [found for found in configurations if found.judges is None]


def comparable(configurations: Sequence[ConfigurationResult]) -> list[ConfigurationResult]:
    """The configurations with comparable accuracies: of whole trainings, over the same number of seeds.

    A collapsed network has an accuracy, that of guessing. A configuration that was stopped early, or got
    fewer seeds since it could not win any more, is left out. So is one that was chosen and is trained again
    on fresh seeds: it would count twice.

    Args:
        configurations: Those of one study.

    Returns:
        The comparable ones, in order.
    """
    first = choosing(configurations)
    most = max((len(found.trials) for found in first), default=0)
    return [
        found
        for found in first
        if len(found.accuracies) == most and all(trial.status in COMPARABLE for trial in found.trials)
    ]
