"""`cops compare`: studies, or methods of studies, held side by side at each freezing rate."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from cops_core.errors import InputError, unknown
from study.analysis.configurations import ConfigurationResult, by_configuration, comparable
from study.analysis.statistics import Interval, holm, interval, paired
from study.records.evaluations import evaluated_accuracies, read_evaluations
from study.records.store import find_study
from study.records.trial import StudyTrial
from study.settings import Settings, parse_settings, setting_flags

Read = Callable[[StudyTrial], object]
# What a trial's accuracy depends on beside its method and what is searched.
TRAINED: Mapping[str, Read] = {
    "dataset": lambda trial: trial.config.dataset,
    "model": lambda trial: trial.config.model,
    "initialization": lambda trial: trial.config.initialization,
    "epochs": lambda trial: trial.config.training.epochs,
    "batch size": lambda trial: trial.config.training.batch_size,
    "precision": lambda trial: trial.config.training.precision,
    "augmentation": lambda trial: trial.config.training.augmentation,
}


@dataclass(frozen=True)
class Side:
    """One argument: a study, or one method of it. tests: judged test accuracies by the trial's name."""

    label: str
    study: str
    method: str | None
    settings: Settings
    configurations: tuple[ConfigurationResult, ...]
    tests: Mapping[str, float]

    @property
    def trials(self) -> list[StudyTrial]:
        """All of its trials."""
        return [trial for found in self.configurations for trial in found.trials]

    def best(self, rate: Decimal | None) -> ConfigurationResult | None:
        """The best by mean validation accuracy at a freezing rate, None for the dense network's.

        The method `dense` has no rate: it is what the others are held against at each.
        """
        if self.method == "dense":
            rate = None
        found = comparable([each for each in self.configurations if each.freezing_rate == rate])
        return max(found, key=lambda each: each.mean, default=None)


@dataclass(frozen=True)
class Held:
    """What one argument has at a rate, and how far that is from what the first one has.

    best: None where nothing of it was trained to the end there. difference, test_difference: its accuracy
    minus the first one's, with the 95 % interval over the trial seeds that both have; None without any.
    p_value: of the paired t-test on validation, adjusted by Holm for all comparisons of the table; NaN for
    the first one, with fewer than two common seeds, and where both are the same trials.
    """

    side: Side
    best: ConfigurationResult | None
    test: Interval | None
    difference: Interval | None = None
    test_difference: Interval | None = None
    same_trials: bool = False
    p_value: float = math.nan


@dataclass(frozen=True)
class SideBySide:
    """The comparison. differences: the settings that differ, each with its value for every argument."""

    sides: tuple[Side, ...]
    rates: Mapping[Decimal | None, tuple[Held, ...]]
    differences: Mapping[str, tuple[str, ...]]


def compare(arguments: Sequence[str], storage: str) -> SideBySide:
    """Hold two or more arguments, `STUDY` or `STUDY:METHOD`, side by side.

    Raises InputError for names that are not there, and where accuracies mean different things: other data,
    or another share of it kept for validation.
    """
    if len(arguments) < 2:
        raise InputError("a comparison needs two or more: write e.g. cops compare STUDY:METHOD STUDY:METHOD")
    if repeated := [word for word in arguments if arguments.count(word) > 1]:
        raise InputError(f"{repeated[0]!r} is there twice: write two different studies or methods")
    sides = tuple(_side(argument, storage) for argument in arguments)
    _check_data(sides)
    rates = {rate: _held(sides, rate) for rate in _rates(sides)}
    return SideBySide(sides, _adjusted(rates), _differences(sides))


def _side(argument: str, storage: str) -> Side:
    name, _, method = argument.partition(":")
    store = find_study(storage, name)
    found = by_configuration(store.trials())
    if method:
        chosen = [each for each in found if method in (each.method, each.detailed_method)]
        if not chosen:
            raise InputError(f"study {name!r}: {unknown('method', method, {each.method for each in found})}")
        found = chosen
    if not found:
        raise InputError(f"study {name!r} has no trial yet: see `cops status {name}`")
    settings = parse_settings(store.record()["settings"])
    return Side(
        argument, name, method or None, settings, tuple(found), evaluated_accuracies(read_evaluations(store))
    )


def _check_data(sides: Sequence[Side]) -> None:
    """InputError unless all accuracies are those on the same images, for a trial of the same seed."""
    data = {side.label: _values(side.trials, _data_of) for side in sides}
    if len({text for texts in data.values() for text in texts}) > 1:
        shown = "; ".join(f"{label}: {' and '.join(texts)}" for label, texts in data.items())
        raise InputError(
            f"these accuracies cannot be compared, since they are not of the same images ({shown}):"
            " name studies of one data set with the same validation share"
        )


def _data_of(trial: StudyTrial) -> str | None:
    sha256 = trial.data_sha256
    if sha256 is None:  # nothing was trained
        return None
    config = trial.config
    return f"{config.dataset} {sha256[:8]}, {float(config.validation_fraction):.3g} for validation"


def _values(trials: Iterable[StudyTrial], read: Read) -> list[str]:
    """What `read` says of the trials, each once."""
    return list(dict.fromkeys(str(value) for value in map(read, trials) if value is not None))


def _rates(sides: Sequence[Side]) -> list[Decimal | None]:
    """The dense network, the rates that are an axis of any study, and others that two arguments share."""
    there = [{found.freezing_rate for found in side.configurations} for side in sides]
    asked = {rate for side in sides if side.settings.question.axis for rate in side.settings.question.rates}
    every = set().union(*there)
    shown = [rate for rate in every if rate in asked or sum(rate in one for one in there) > 1]
    return sorted(shown, key=lambda rate: -1 if rate is None else rate)


def _held(sides: Sequence[Side], rate: Decimal | None) -> tuple[Held, ...]:
    first = sides[0].best(rate)
    held = [Held(sides[0], first, _interval(_test(sides[0], first)))]
    for side in sides[1:]:
        best = side.best(rate)
        one, other = _by_seed(first), _by_seed(best)
        identities = [{trial.identity for trial in each.trials} if each else set() for each in (first, best)]
        same = bool(identities[0]) and identities[0] == identities[1]
        held.append(
            Held(
                side,
                best,
                _interval(_test(side, best)),
                _interval(_minus(other, one)),
                _interval(_minus(_test(side, best), _test(sides[0], first))),
                same,
                math.nan if same else paired(other, one),
            )
        )
    return tuple(held)


def _adjusted(rates: Mapping[Decimal | None, tuple[Held, ...]]) -> dict[Decimal | None, tuple[Held, ...]]:
    """The same with p-values that are adjusted for each other."""
    adjusted = iter(holm([each.p_value for held in rates.values() for each in held]))
    return {
        rate: tuple(replace(each, p_value=next(adjusted)) for each in held) for rate, held in rates.items()
    }


def _by_seed(found: ConfigurationResult | None) -> dict[int, float]:
    """Validation accuracy by the trial's own seed: studies of another study seed share none."""
    trials = () if found is None else found.trials
    return {trial.config.seed: trial.accuracy for trial in trials if not math.isnan(trial.accuracy)}


def _test(side: Side, found: ConfigurationResult | None) -> dict[int, float]:
    """Test accuracy by seed, of the trials that were judged."""
    trials = () if found is None else found.trials
    return {trial.config.seed: side.tests[trial.name] for trial in trials if trial.name in side.tests}


def _minus(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {seed: one[seed] - other[seed] for seed in one.keys() & other.keys()}


def _interval(values: Mapping[int, float]) -> Interval | None:
    return interval([values[seed] for seed in sorted(values)]) if values else None


def _differences(sides: Sequence[Side]) -> dict[str, tuple[str, ...]]:
    """What differs between the studies' settings, and between what all trials of each have in common."""
    every = {
        **{
            name: [str(getattr(side.settings, name)) for side in sides]
            for name, flag in setting_flags().items()
            if flag.search
        },
        "question": [str(side.settings.question) for side in sides],
        **{
            name: [", ".join(sorted(_values(side.trials, read))) for side in sides]
            for name, read in TRAINED.items()
        },
    }
    return {name: tuple(values) for name, values in every.items() if len(set(values)) > 1}
