"""What the headline experiment found, as Markdown tables: the results, what was chosen, the budgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cops_core.config import TrialConfig
from cops_core.trial import config_hash
from study.analysis.statistics import Interval, interval
from study.papers.experiments.base import tested
from study.papers.markdown import markdown_table
from study.records.trial import StudyTrial


@dataclass(frozen=True)
class Contender:
    """A name, a freezing rate, and the configurations it may choose from there, without a seed."""

    name: str
    rate: Decimal
    tried: tuple[TrialConfig, ...]

    @property
    def budget(self) -> tuple[int, int]:
        """How many configurations it may try, and for how many epochs each."""
        (epochs,) = {config.training.epochs for config in self.tried}
        return len(set(map(config_hash, self.tried))), epochs


@dataclass(frozen=True)
class Judged:
    """What a contender chose, with which mean validation accuracy, and the trials that judge it."""

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
        """Mean test accuracy with its 95 % interval over the judging seeds."""
        return interval(list(self.test.values()))

    @property
    def collapsed(self) -> int:
        """How many of the judging networks are cut off from their input or their classes."""
        return sum(trial.status == "collapsed" for trial in self.trials)


@dataclass(frozen=True)
class Outcome:
    """All that one network's study found. selection_seeds: how many have chosen."""

    judged: tuple[Judged, ...]
    dense_trials: tuple[StudyTrial, ...]
    selection_seeds: int

    @property
    def dense(self) -> Interval:
        """Test accuracy of the dense network."""
        return interval([tested(trial) for trial in self.dense_trials])

    @property
    def names(self) -> list[str]:
        """The contenders."""
        return list(dict.fromkeys(each.contender.name for each in self.judged))

    @property
    def rates(self) -> list[Decimal]:
        """The freezing rates."""
        return list(dict.fromkeys(each.contender.rate for each in self.judged))

    def at(self, name: str, rate: Decimal) -> Judged:
        """What a contender chose at a rate."""
        return next(e for e in self.judged if e.contender.name == name and e.contender.rate == rate)

    def curves(self) -> dict[str, list[tuple[float, Interval]]]:
        """By contender: (density, test accuracy) at each rate."""
        return {
            name: [
                (float(1 - rate), interval(list(self.at(name, rate).test.values()))) for rate in self.rates
            ]
            for name in self.names
        }


# The second is subtracted from the first, seed by seed.
Comparisons = Sequence[tuple[str, str]]


def tables(outcome: Outcome, comparisons: Comparisons) -> list[str]:
    """All three tables."""
    return [*_results(outcome, comparisons), *_chosen(outcome), *_budgets(outcome, comparisons)]


def _results(outcome: Outcome, comparisons: Comparisons) -> list[str]:
    """A row per rate: what each contender reaches on the test part, and the differences that were planned."""
    names = [name for first, second in comparisons for name in (second, first)]
    differences = [f"{first} minus {second}" for first, second in comparisons]
    columns = ["rate", *names, *differences]
    rows = []
    for rate in outcome.rates:
        cells = []
        for name in names:
            judged = outcome.at(name, rate)
            note = f", {judged.collapsed} collapsed" if judged.collapsed else ""
            cells.append(_cell(list(judged.test.values())) + note)
        for first, second in comparisons:
            ours, theirs = outcome.at(first, rate).test, outcome.at(second, rate).test
            cells.append(_cell([ours[seed] - theirs[seed] for seed in ours], sign="+"))
        rows.append([str(rate), *cells])
    return [f"Dense: {outcome.dense:.1%}.", "", *markdown_table(columns, rows), ""]


def _chosen(outcome: Outcome) -> list[str]:
    """What validation chose."""
    rows = [
        [
            str(each.contender.rate),
            each.contender.name,
            _configuration(each.chosen),
            f"{each.validation:.1%}",
            f"{each.interval.mean:.1%}",
        ]
        for each in outcome.judged
    ]
    columns = ["rate", "contender", "chosen on validation", "validation", "test"]
    return [*markdown_table(columns, rows), ""]


def _budgets(outcome: Outcome, comparisons: Comparisons) -> list[str]:
    """What each contender could choose from, at every rate; those that are compared had the same."""
    rows = []
    for name in (name for first, second in comparisons for name in (second, first)):
        ((configurations, epochs),) = {e.contender.budget for e in outcome.judged if e.contender.name == name}
        trainings = configurations * outcome.selection_seeds
        counts = (configurations, outcome.selection_seeds, trainings, trainings * epochs)
        rows.append([name, *map(str, counts)])
    columns = ["contender", "configurations at each rate", "seeds that choose", "trainings", "epochs"]
    return [*markdown_table(columns, rows), ""]


def _configuration(config: TrialConfig) -> str:
    """`cops(snip; magnitude 0.3), 30 rounds, learning rate 0.05`."""
    selection = config.selection
    assert selection is not None
    controls = ", ".join(f"{control.score} {control.level:g}" for control in selection.controls)
    scores = f"cops({selection.target}; {controls})" if controls else selection.target
    rounds = "one-shot" if selection.rounds == 1 else f"{selection.rounds} rounds"
    return f"{scores}, {rounds}, learning rate {config.training.learning_rate:g}"


def _cell(values: Sequence[float], sign: str = "") -> str:
    found = interval(values)
    return f"{found.mean:{sign}.1%} ± {found.half_width:.1%}"
