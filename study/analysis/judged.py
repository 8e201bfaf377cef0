"""What a study of the question `compare` has found: a row for each freezing rate and method.

Validation chooses one configuration of each method at each rate. It is trained again on fresh seeds and
evaluated on the test part. Only these accuracies are compared, seed by seed, with those of one method.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from cops_core.trainers import ACCURACY, IMAGES, Measure
from search_spaces.question import Compare
from study.analysis.configurations import ConfigurationResult, choosing, comparable
from study.analysis.statistics import Interval, holm, interval, least_difference, paired
from study.records.trial import COMPARABLE, FAILURES, OPEN
from study.settings import Settings

# What is said of tried configurations, in this order; the others were trained to their end.
ENDS = ("stopped", "failed", "diverged", "collapsed", "infeasible", "rejected")
SHORT = {"learning_rate": "lr", "weight_decay": "wd"}
Tests = Mapping[int, float]  # the measure on the test part, by seed index


@dataclass(frozen=True)
class Difference:
    """The difference of a method to the baseline at the same rate, on the test part, paired by seed.

    Attributes:
        interval: The mean over the seeds that both have, with its 95 % interval; the method minus the
            baseline.
        p_value: Of the paired t-test, adjusted by Holm for all comparisons of the table. NaN with fewer than
            two common seeds, and where budgets are not equal or seeds are still to come.
        least: The smallest difference that these seeds could have shown, see `least_difference`; NaN where
            the p-value is.
    """

    interval: Interval
    p_value: float = math.nan
    least: float = math.nan


@dataclass(frozen=True)
class MethodResult:
    """A method at a freezing rate.

    Attributes:
        rate: The freezing rate; None for the dense network.
        method: The method's name.
        tried: Its configurations from which validation chooses, one or more, in their order. Some may still
            run.
        chosen: The best of them on validation; None before the first has finished.
        judged: The same, trained on fresh seeds and evaluated on the test part; None before that.
        seeds: The planned number of fresh seeds.
        has_all: Whether it has fewer configurations than others since it has no more.
        difference: To the baseline; None for the baseline itself and where one of both has no test accuracy.
    """

    rate: Decimal | None
    method: str
    tried: tuple[ConfigurationResult, ...]
    chosen: ConfigurationResult | None
    judged: ConfigurationResult | None
    seeds: int
    has_all: bool = False
    difference: Difference | None = None

    @property
    def count(self) -> int:
        """The number of configurations that have ended."""
        return sum(all(trial.has_ended for trial in each.trials) for each in self.tried)

    @property
    def shown_count(self) -> str:
        """`8`, `3 (all)`."""
        return f"{self.count}{' (all)' * self.has_all}"

    @cached_property
    def ends(self) -> dict[str, int]:
        """How many tried configurations did not train to their end, by how they ended."""
        found: Counter[str] = Counter(
            "failed" if each.status in FAILURES else each.status for each in self.tried
        )
        return {end: found[end] for end in ENDS if found[end]}

    @property
    def test(self) -> Interval | None:
        """The mean on the test part over its fresh seeds; None without any."""
        return None if self.judged is None else self.judged.test_interval

    @property
    def quality(self) -> float:
        """What it is ranked by, more is better: the test part, else validation; -inf without any number."""
        if self.judged is not None and self.judged.tests:
            return self.judged.test_quality
        return -math.inf if self.chosen is None else self.chosen.quality

    @property
    def waiting(self) -> int:
        """The number of its fresh seeds that have not ended; 0 if there is nothing to train again."""
        if self.judged is None:
            return 0 if self.chosen is None else self.seeds
        return self.seeds - sum(trial.has_ended for trial in self.judged.trials)

    @property
    def caveat(self) -> str:
        """What is said beside the method, see `TrialConfig.caveat`; mostly empty."""
        return self.tried[0].trials[0].config.caveat

    @property
    def note(self) -> str:
        """What must be said of its mean on the test part: `9 of 10 seeds, 1 diverged`; mostly empty."""
        if self.judged is None:
            return "nothing finished" if self.chosen is None else ""
        trials, count = self.judged.trials, len(self.judged.tests)
        lost = Counter(
            trial.status.replace("_", " ") for trial in trials if trial.status not in (*COMPARABLE, *OPEN)
        )
        parts = [f"{count} of {self.seeds} seeds"] if count < self.seeds else []
        parts += [f"{lost[status]} {status}" for status in sorted(lost)]
        parts += [f"{self.waiting} to come"] if self.waiting else []
        collapsed = sum(trial.status == "collapsed" for trial in trials)
        parts += [f"{collapsed} collapsed"] if collapsed else []
        guessing = sum(trial.at_chance for trial in trials)
        return ", ".join([*parts, *([f"{guessing} at chance"] if guessing else [])])

    @property
    def parameters(self) -> dict[str, str]:
        """What was chosen, by name: the learning rate, the levels, and whatever else was searched."""
        return {} if self.chosen is None else _parameters(self.chosen, self.tried)


@dataclass(frozen=True)
class MethodTable:
    """All methods of a study at all rates.

    Attributes:
        rows: Those of the dense network first, then rate by rate. Within a rate the best comes first if
            methods can be ranked, else they are in the order of the study.
        baseline: The method with which the others are compared; empty without any, and if they cannot be
            ranked.
        seeds: The planned number of fresh seeds.
        planned: The planned number of configurations of each method at each rate; None without a plan.
        exhaustive: Whether each method is tried completely: numbers of configurations differ by nature.
    """

    rows: tuple[MethodResult, ...]
    baseline: str
    seeds: int
    planned: int | None
    exhaustive: bool

    @property
    def measure(self) -> Measure:
        """The number by which methods are compared."""
        return self.rows[0].tried[0].measure if self.rows else ACCURACY

    @property
    def is_judged(self) -> bool:
        """Whether there is any test accuracy."""
        return any(row.test is not None for row in self.rows)

    @property
    def is_complete(self) -> bool:
        """Whether whatever was chosen has been trained on all fresh seeds."""
        return self.is_judged and not any(row.waiting for row in self.rows)

    @property
    def counts(self) -> tuple[int, int]:
        """The smallest and the largest number of configurations, of methods that have more."""
        found = [row.count for row in self.rows if not row.has_all] or [row.count for row in self.rows]
        return (min(found), max(found)) if found else (0, 0)

    @property
    def is_fair(self) -> bool:
        """Whether every method has as many configurations as each other, or all that it has."""
        return not self.exhaustive and self.counts[0] == self.counts[1]

    @property
    def subjects(self) -> list[str]:
        """The networks and data sets of what was chosen."""
        best = [row.judged or row.chosen for row in self.rows]
        return list(dict.fromkeys(each.trials[0].config.subject for each in best if each is not None))

    @property
    def compared(self) -> list[MethodResult]:
        """The rows with a p-value."""
        return [row for row in self.rows if row.difference is not None and row.difference.p_value >= 0]


def method_table(
    found: Sequence[ConfigurationResult],
    question: Compare,
    planned: int | None = None,
    *,
    exhaustive: bool = False,
) -> MethodTable:
    """The methods of a study.

    Args:
        found: All configurations of the study.
        question: The study's question.
        planned: The planned number of configurations of each method at each rate; None without a plan.
        exhaustive: Whether each method is tried completely.

    Returns:
        The table. Without configurations it has no rows.
    """
    groups: dict[tuple[Decimal | None, str], list[ConfigurationResult]] = {}
    for each in choosing(found):
        groups.setdefault((each.rate, each.trials[0].named or each.method), []).append(each)
    again = {(each.rate, each.method): each for each in reversed(found) if each.judges is not None}
    finished = comparable(found)
    most = max((planned or 0, *(len(group) for group in groups.values())))
    rows = [
        _row(
            key, group, again.get(key), finished, question.judging_seeds, bool(again) and not exhaustive, most
        )
        for key, group in groups.items()
    ]
    baseline = "" if exhaustive else _baseline(rows, question.baseline)
    table = MethodTable(tuple(rows), baseline, question.judging_seeds, planned, exhaustive)
    compared = with_differences(rows, baseline, tested=table.is_complete and table.is_fair)
    return replace(table, rows=tuple(sorted(compared, key=_ranked if table.is_fair else _place)))


def study_methods(found: Sequence[ConfigurationResult], settings: Settings) -> MethodTable | None:
    """The methods of a study; None if its question does not compare methods with equal budgets.

    Args:
        found: All configurations of the study.
        settings: The study's settings.
    """
    question = settings.question
    if not isinstance(question, Compare):
        return None
    planned = settings.per_method
    return method_table(found, question, planned, exhaustive=settings.sampler == "grid")


def _row(
    key: tuple[Decimal | None, str],
    group: Sequence[ConfigurationResult],
    judged: ConfigurationResult | None,
    finished: Sequence[ConfigurationResult],
    seeds: int,
    ended: bool,
    most: int,
) -> MethodResult:
    """A method at a rate. ended: whether all of its configurations have been tried. most: of any method."""
    best = max((each for each in group if each in finished), key=lambda each: each.quality, default=None)
    if judged is not None:
        best = next((each for each in group if each.number == judged.judges), best)
    has_all = ended and len(group) < most
    return MethodResult(*key, tuple(group), best, judged, seeds, has_all)


def _place(row: MethodResult) -> float:
    """The order of rates; the dense network comes first."""
    return -1.0 if row.rate is None else float(row.rate)


def _ranked(row: MethodResult) -> tuple[float, float]:
    return _place(row), -row.quality


def _baseline(rows: Sequence[MethodResult], asked: str) -> str:
    """The method to which others are compared: the one that is asked for, else the first with a mask."""
    names = [row.method for row in rows]
    if asked:
        return asked if asked in names else ""
    return next((row.method for row in rows if row.rate is not None), "")


def with_differences(rows: Sequence[MethodResult], baseline: str, *, tested: bool) -> list[MethodResult]:
    """The rows with their differences to the baseline at the same rate.

    There is no p-value where a method has more configurations than the other, also if that has all that
    exist.

    Args:
        rows: The rows of a table.
        baseline: The baseline's name.
        tested: Whether there may be p-values.

    Returns:
        The rows, in their order.
    """
    at = {row.rate: row for row in rows if row.method == baseline}
    others = [at.get(row.rate, at.get(None)) for row in rows]
    pairs = [_pair(row, other) for row, other in zip(rows, others, strict=True)]
    equal = [other is not None and row.count == other.count for row, other in zip(rows, others, strict=True)]
    p_values = [
        paired(*pair) if tested and same and pair is not None else math.nan
        for pair, same in zip(pairs, equal, strict=True)
    ]
    count = sum(not math.isnan(p) for p in p_values)
    return [
        row if pair is None else replace(row, difference=_difference(*pair, p, count))
        for row, pair, p in zip(rows, pairs, holm(p_values), strict=True)
    ]


def _pair(row: MethodResult, other: MethodResult | None) -> tuple[Tests, Tests] | None:
    """The test accuracies of a row and of the baseline; None if there is nothing to compare."""
    if other is None or other is row or row.judged is None or other.judged is None:
        return None
    ours, theirs = row.judged.tests, other.judged.tests
    return (ours, theirs) if ours.keys() & theirs.keys() else None


def _difference(ours: Tests, theirs: Tests, p_value: float, comparisons: int) -> Difference:
    common = sorted(ours.keys() & theirs.keys())
    found = interval([ours[seed] - theirs[seed] for seed in common])
    if math.isnan(p_value):
        return Difference(found)
    return Difference(found, p_value, found.deviation * least_difference(len(common), comparisons))


def _parameters(chosen: ConfigurationResult, tried: Sequence[ConfigurationResult]) -> dict[str, str]:
    """The learning rate, the levels by their scores, and every other parameter that differs or is a number.

    Parameters that are the same in all configurations of the method belong to its name.
    """
    trial = chosen.trials[0]
    config, selection = trial.config, trial.config.selection
    images = config.trainer == IMAGES
    found = {"lr": f"{config.training.learning_rate:.3g}"} if images else {}
    levels = {} if selection is None else {str(each.score): each.level for each in selection.controls}
    found |= {score: f"{level:.3g}" for score, level in levels.items()}
    shown = {*levels.values(), *([config.training.learning_rate] if images else [])}
    for name, value in trial.parameters.items():
        differs = len({str(each.trials[0].parameters.get(name)) for each in tried}) > 1
        if value not in shown and (differs or isinstance(value, float)):
            found[SHORT.get(name, name)] = f"{value:.3g}" if isinstance(value, float) else str(value)
    return found
