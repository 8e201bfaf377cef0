"""The headline experiment as Markdown tables: the results, what was chosen, the budgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cops_core.config import TrialConfig
from cops_core.trial_state import config_hash
from study.analysis.statistics import Interval, interval
from study.papers.experiments.base import tested
from study.records.trial import StudyTrial
from study.views.markdown import markdown_table


@dataclass(frozen=True)
class Contender:
    """A method at a freezing rate, with the configurations from which validation chooses.

    Attributes:
        name: The method.
        rate: The freezing rate.
        tried: The configurations, without a seed.
    """

    name: str
    rate: Decimal
    tried: tuple[TrialConfig, ...]

    @property
    def budget(self) -> tuple[int, int]:
        """The number of configurations, and the epochs of each."""
        (epochs,) = {config.training.epochs for config in self.tried}
        return len(set(map(config_hash, self.tried))), epochs


@dataclass(frozen=True)
class ContenderResult:
    """What was chosen for a contender, and its trials on the test images.

    Attributes:
        contender: For which validation chose.
        chosen: The configuration, without a seed.
        validation: Its mean validation accuracy.
        trials: One for each evaluation seed.
    """

    contender: Contender
    chosen: TrialConfig
    validation: float
    trials: tuple[StudyTrial, ...]

    @property
    def test(self) -> dict[int, float]:
        """Test accuracies by seed."""
        return {trial.config.seed: tested(trial) for trial in self.trials}

    @property
    def interval(self) -> Interval:
        """Mean test accuracy with its 95 % interval over the evaluation seeds."""
        return interval(list(self.test.values()))

    @property
    def at_chance(self) -> int:
        """How many of its networks were trained and are no better than guessing."""
        return sum(trial.at_chance for trial in self.trials)

    @property
    def collapsed(self) -> int:
        """How many of its networks do not connect the input with any class."""
        return sum(trial.status == "collapsed" for trial in self.trials)


@dataclass(frozen=True)
class Outcome:
    """All results of one setting.

    Attributes:
        results: Of each contender at each rate.
        dense_trials: The dense network, one trial for each evaluation seed.
        selection_seeds: The number of seeds on which the configurations were chosen.
    """

    results: tuple[ContenderResult, ...]
    dense_trials: tuple[StudyTrial, ...]
    selection_seeds: int

    @property
    def dense(self) -> Interval:
        """Mean test accuracy of the dense network, with its 95 % interval."""
        return interval([tested(trial) for trial in self.dense_trials])

    @property
    def names(self) -> list[str]:
        """The names of the contenders."""
        return list(dict.fromkeys(each.contender.name for each in self.results))

    @property
    def rates(self) -> list[Decimal]:
        """The freezing rates."""
        return list(dict.fromkeys(each.contender.rate for each in self.results))

    def at(self, name: str, rate: Decimal) -> ContenderResult:
        """The result of a contender at a rate."""
        return next(e for e in self.results if e.contender.name == name and e.contender.rate == rate)

    def curves(self) -> dict[str, list[tuple[float, Interval]]]:
        """For each contender, its (density, test accuracy) at each rate."""
        return {
            name: [
                (float(1 - rate), interval(list(self.at(name, rate).test.values()))) for rate in self.rates
            ]
            for name in self.names
        }


# The second is subtracted from the first, seed by seed.
Comparisons = Sequence[tuple[str, str]]


def tables(outcome: Outcome, comparisons: Comparisons) -> list[str]:
    """The lines of all three tables."""
    return [*_results(outcome, comparisons), *_chosen(outcome), *_budgets(outcome, comparisons)]


def _results(outcome: Outcome, comparisons: Comparisons) -> list[str]:
    """A row for each rate: each contender's test accuracy, and the planned differences."""
    names = [name for first, second in comparisons for name in (second, first)]
    differences = [f"{first} minus {second}" for first, second in comparisons]
    columns = ["rate", *names, *differences]
    rows = []
    for rate in outcome.rates:
        cells = []
        for name in names:
            result = outcome.at(name, rate)
            note = f", {result.collapsed} collapsed" if result.collapsed else ""
            note += f", {result.at_chance} at chance" if result.at_chance else ""
            cells.append(_cell(list(result.test.values())) + note)
        for first, second in comparisons:
            ours, theirs = outcome.at(first, rate).test, outcome.at(second, rate).test
            cells.append(_cell([ours[seed] - theirs[seed] for seed in ours], sign="+"))
        rows.append([str(rate), *cells])
    return [f"Dense: {outcome.dense:.1%}.", "", *markdown_table(columns, rows), ""]


def _chosen(outcome: Outcome) -> list[str]:
    """The configurations that were chosen on validation."""
    rows = [
        [
            str(each.contender.rate),
            each.contender.name,
            _configuration(each.chosen),
            f"{each.validation:.1%}",
            f"{each.interval.mean:.1%}",
        ]
        for each in outcome.results
    ]
    columns = ["rate", "contender", "chosen on validation", "validation", "test"]
    return [*markdown_table(columns, rows), ""]


def _budgets(outcome: Outcome, comparisons: Comparisons) -> list[str]:
    """The budget of each contender at every rate. Contenders that are compared have the same."""
    rows = []
    for name in (name for first, second in comparisons for name in (second, first)):
        ((configurations, epochs),) = {
            e.contender.budget for e in outcome.results if e.contender.name == name
        }
        trainings = configurations * outcome.selection_seeds
        counts = (configurations, outcome.selection_seeds, trainings, trainings * epochs)
        rows.append([name, *map(str, counts)])
    columns = ["contender", "configurations at each rate", "selection seeds", "trainings", "epochs"]
    return [*markdown_table(columns, rows), ""]


def _configuration(config: TrialConfig) -> str:
    """`cops(snip; magnitude 0.3), 30 rounds, learning rate 0.05`."""
    assert config.selection is not None
    return f"{config.selection.detailed_method}, learning rate {config.training.learning_rate:g}"


def _cell(values: Sequence[float], sign: str = "") -> str:
    found = interval(values)
    return f"{found.mean:{sign}.1%} ± {found.half_width:.1%}"
