"""`cops compare`: studies, or methods of studies, compared at each freezing rate."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from cops_core.errors import InputError, unknown
from study.analysis.comparisons import fair_p
from study.analysis.configurations import ConfigurationResult, by_configuration, comparable
from study.analysis.fairness import Choice, choice, differences
from study.analysis.statistics import Interval, holm, interval
from study.records.evaluations import evaluated_accuracies, read_evaluations
from study.records.runs import read_runs
from study.records.store import find_study
from study.records.trial import StudyTrial
from study.settings import Settings, parse_settings, setting_flags

Read = Callable[[StudyTrial], object]
# What a trial's accuracy depends on, apart from its method and the searched parameters.
TRAINED: Mapping[str, Read] = {
    "trainer": lambda trial: trial.config.trainer,
    "dataset": lambda trial: trial.config.dataset,
    "model": lambda trial: trial.config.model,
    "initialization": lambda trial: trial.config.initialization,
    "epochs": lambda trial: trial.config.training.epochs,
    "batch size": lambda trial: trial.config.training.batch_size,
    "precision": lambda trial: trial.config.training.precision,
    "augmentation": lambda trial: trial.config.training.augmentation,
}


@dataclass(frozen=True)
class Entry:
    """One argument of the command: a study, or one method of it.

    Attributes:
        label: The argument as it was written, `STUDY` or `STUDY:METHOD`.
        study: The name of the study.
        method: None for all methods of the study.
        settings: The study's settings.
        configurations: Those of the method, or all.
        everything: All configurations of the study.
        tests: Test accuracies in [0, 1], by the trial's name; of the trials that were evaluated.
        runs: The ids of MLflow's runs by the trial's name.
    """

    label: str
    study: str
    method: str | None
    settings: Settings
    configurations: tuple[ConfigurationResult, ...]
    everything: tuple[ConfigurationResult, ...]
    tests: Mapping[str, float]
    runs: Mapping[str, str]

    @property
    def trials(self) -> list[StudyTrial]:
        """All of its trials."""
        return [trial for found in self.configurations for trial in found.trials]

    def best(self, rate: Decimal | None) -> Choice | None:
        """The best configuration at a freezing rate by its mean validation accuracy.

        The method `dense` has no rate. The others are compared with it at each rate. If the best was trained
        again on fresh seeds, it is the configuration of these.

        Args:
            rate: None for the dense network.

        Returns:
            The configuration, with those from which it was chosen; None if none has finished at this rate.
        """
        if self.method == "dense":
            rate = None
        here = [each for each in self.configurations if each.freezing_rate == rate]
        found, again = comparable(here), {each.judges: each for each in here if each.judges is not None}
        candidates = [each for each in found if each.number in again] or found
        best = max(candidates, key=lambda each: each.quality, default=None)
        return None if best is None else choice(again.get(best.number, best), here, self.everything)


@dataclass(frozen=True)
class EntryResult:
    """The result of one entry at a rate, and its difference to the result of the first entry.

    Attributes:
        entry: The argument.
        choice: Its best configuration at the rate, and those from which it was chosen; None if none has
            finished.
        test: The test accuracy of `best`; None if it was not evaluated on the test images.
        difference: Its validation accuracy minus that of the first entry, with the 95 % interval over the
            trial seeds that both have; None without a common seed.
        test_difference: The same for the test accuracy.
        same_trials: Whether both results are the same trials.
        p_value: Of the paired t-test on validation accuracies, or on test accuracies if both were trained on
            fresh seeds; adjusted by Holm for all comparisons of the table. NaN for the first entry, with
            fewer than two common seeds, for the same trials, and if the numbers of configurations differ,
            from which the two were chosen.
        unequal: Whether these numbers differ.
    """

    entry: Entry
    choice: Choice | None
    test: Interval | None
    difference: Interval | None = None
    test_difference: Interval | None = None
    same_trials: bool = False
    p_value: float = math.nan
    unequal: bool = False

    @property
    def best(self) -> ConfigurationResult | None:
        """Its best configuration at the rate; None if none has finished."""
        return None if self.choice is None else self.choice.result

    @property
    def is_judged(self) -> bool:
        """Whether it was trained on fresh seeds, which chose nothing."""
        return self.best is not None and self.best.judges is not None


@dataclass(frozen=True)
class StudyComparison:
    """A comparison of studies or methods.

    Attributes:
        entries: The arguments in their order.
        rates: One result per entry, by freezing rate; None is the rate of the dense network.
        differences: The settings that differ, each with its value for every entry.
        unequal: What differs between the best ones, by rate: each with a text for every entry, empty for one
            without a result or to which it does not apply. Only rates at which something differs.
    """

    entries: tuple[Entry, ...]
    rates: Mapping[Decimal | None, tuple[EntryResult, ...]]
    differences: Mapping[str, tuple[str, ...]]
    unequal: Mapping[Decimal | None, Mapping[str, tuple[str, ...]]]


def compare(arguments: Sequence[str], storage: str) -> StudyComparison:
    """Compare studies, or methods of studies.

    Args:
        arguments: Two or more, each `STUDY` or `STUDY:METHOD`.
        storage: A folder or a URI.

    Raises:
        InputError: A name does not exist, or accuracies cannot be compared: studies of other data, or with
            another share of it for validation.
    """
    if len(arguments) < 2:
        raise InputError("a comparison needs two or more: write e.g. cops compare STUDY:METHOD STUDY:METHOD")
    if repeated := [word for word in arguments if arguments.count(word) > 1]:
        raise InputError(f"{repeated[0]!r} is given twice: write two different studies or methods")
    entries = tuple(_entry(argument, storage) for argument in arguments)
    _check_data(entries)
    rates = {rate: _results(entries, rate) for rate in _rates(entries)}
    unequal = {rate: found for rate, row in rates.items() if (found := _unequal(row))}
    return StudyComparison(entries, _adjusted(rates), _differences(entries), unequal)


def _entry(argument: str, storage: str) -> Entry:
    name, _, method = argument.partition(":")
    store = find_study(storage, name)
    found = by_configuration(store.trials())
    everything = tuple(found)
    if method:
        chosen = [each for each in found if method in (each.method, each.detailed_method)]
        if not chosen:
            raise InputError(f"study {name!r}: {unknown('method', method, {each.method for each in found})}")
        found = chosen
    if not found:
        raise InputError(f"study {name!r} has no trial yet: see `cops status {name}`")
    settings = parse_settings(store.record()["settings"])
    tests = evaluated_accuracies(read_evaluations(store))
    for each in (each for each in found if each.judges is not None):
        tests |= {t.name: each.tests[t.seed_index] for t in each.trials if t.seed_index in each.tests}
    return Entry(argument, name, method or None, settings, tuple(found), everything, tests, read_runs(store))


def _check_data(entries: Sequence[Entry]) -> None:
    """Raise InputError unless trials of one seed have the same validation images in all studies."""
    data = {entry.label: _values(entry.trials, _data_of) for entry in entries}
    if len({text for texts in data.values() for text in texts}) > 1:
        shown = "; ".join(f"{label}: {' and '.join(texts)}" for label, texts in data.items())
        raise InputError(
            f"these accuracies cannot be compared: they belong to different images ({shown}):"
            " name studies of one data set with the same validation share"
        )


def _data_of(trial: StudyTrial) -> str | None:
    sha256 = trial.data_sha256
    if sha256 is None:  # nothing was trained
        return None
    config = trial.config
    return f"{config.dataset} {sha256[:8]}, {float(config.validation_fraction):.3g} for validation"


def _values(trials: Iterable[StudyTrial], read: Read) -> list[str]:
    """The values that `read` gives for the trials, each once."""
    return list(dict.fromkeys(str(value) for value in map(read, trials) if value is not None))


def _rates(entries: Sequence[Entry]) -> list[Decimal | None]:
    """The dense network, the rates that are an axis of any study, and others that two entries share."""
    present = [{found.freezing_rate for found in entry.configurations} for entry in entries]
    asked = {
        rate for entry in entries if entry.settings.question.axis for rate in entry.settings.question.rates
    }
    every = set().union(*present)
    shown = [rate for rate in every if rate in asked or sum(rate in one for one in present) > 1]
    return sorted(shown, key=lambda rate: -1 if rate is None else rate)


def _results(entries: Sequence[Entry], rate: Decimal | None) -> tuple[EntryResult, ...]:
    first, *others = [(entry, entry.best(rate)) for entry in entries]
    test = _test(*first)
    return (
        EntryResult(*first, _interval(test)),
        *(_result(first[1], test, entry, best) for entry, best in others),
    )


def _result(
    first: Choice | None, first_test: Mapping[int, float], entry: Entry, best: Choice | None
) -> EntryResult:
    """The result of an entry that is not the first. first: that one's; first_test: its test accuracies."""
    one, other, test = _by_seed(first), _by_seed(best), _test(entry, best)
    same = first is not None and best is not None and _identities(first) == _identities(best)
    values = (test, first_test) if _are_judged(first, best) else (other, one)
    return EntryResult(
        entry,
        best,
        _interval(test),
        _interval(_minus(other, one)),
        _interval(_minus(test, first_test)),
        same,
        fair_p(best, first, values) if first and best and not same else math.nan,
        first is not None and best is not None and first.budget != best.budget,
    )


def _identities(found: Choice) -> set[str]:
    return {trial.identity for trial in found.result.trials}


def _unequal(row: Sequence[EntryResult]) -> dict[str, tuple[str, ...]]:
    """What differs between the results of a rate, each with a text for every entry."""
    found = [result.choice for result in row]
    names = differences([each for each in found if each is not None])
    return {name: tuple("" if each is None else each.shown(name) for each in found) for name in names}


def _are_judged(first: Choice | None, other: Choice | None) -> bool:
    return all(each is not None and each.result.judges is not None for each in (first, other))


def _adjusted(
    rates: Mapping[Decimal | None, tuple[EntryResult, ...]],
) -> dict[Decimal | None, tuple[EntryResult, ...]]:
    """The same with adjusted p-values."""
    adjusted = iter(holm([each.p_value for results in rates.values() for each in results]))
    return {
        rate: tuple(replace(each, p_value=next(adjusted)) for each in results)
        for rate, results in rates.items()
    }


def _by_seed(found: Choice | None) -> dict[int, float]:
    """Validation accuracy by the trial's seed. Studies with different seeds share none."""
    trials = () if found is None else found.result.trials
    return {trial.config.seed: trial.accuracy for trial in trials if not math.isnan(trial.accuracy)}


def _test(entry: Entry, found: Choice | None) -> dict[int, float]:
    """Test accuracy by seed, of the trials that were evaluated on the test images."""
    trials = () if found is None else found.result.trials
    return {trial.config.seed: entry.tests[trial.name] for trial in trials if trial.name in entry.tests}


def _minus(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {seed: one[seed] - other[seed] for seed in one.keys() & other.keys()}


def _interval(values: Mapping[int, float]) -> Interval | None:
    return interval([values[seed] for seed in sorted(values)]) if values else None


def _differences(entries: Sequence[Entry]) -> dict[str, tuple[str, ...]]:
    """What differs between the studies: settings, and what their trials have in common."""
    every = {
        **{
            name: [str(getattr(entry.settings, name)) for entry in entries]
            for name, flag in setting_flags().items()
            if flag.search
        },
        "question": [str(entry.settings.question) for entry in entries],
        **{
            name: [", ".join(sorted(_values(entry.trials, read))) for entry in entries]
            for name, read in TRAINED.items()
        },
    }
    return {name: tuple(values) for name, values in every.items() if len(set(values)) > 1}
