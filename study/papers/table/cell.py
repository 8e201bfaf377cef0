"""A cell of the table: its trials, their mean, and the comparison with published figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cops_core.config import TrialConfig
from cops_core.trial_state import config_hash
from search_spaces.presets.base import PublishedValue, Unit
from study.analysis.statistics import Interval, interval
from study.papers.table.verdict import compare_with_published, tolerance_of
from study.records.trial import RESULTS, StudyTrial

NOT_RUN = "not run"


@dataclass(frozen=True)
class Cell:
    """The trials of a method at a freezing rate.

    Attributes:
        method: The column's name; `dense` for the dense network.
        rate: The freezing rate; None for the dense network.
        trials: Those that have a result, by seed.
        wanted: How many seeds the cell should have.
    """

    method: str
    rate: Decimal | None
    trials: Mapping[int, StudyTrial]
    wanted: int

    @property
    def accuracies(self) -> dict[int, float]:
        """Test accuracy in [0, 1] by seed, without diverged trials. That of a collapsed network is chance."""
        found = {seed: trial.test_accuracy for seed, trial in self.trials.items()}
        return {seed: accuracy for seed, accuracy in found.items() if accuracy is not None}

    @property
    def interval(self) -> Interval | None:
        """Mean test accuracy with its 95 % interval over the seeds; None if no trial has one."""
        return interval(list(self.accuracies.values())) if self.accuracies else None

    @property
    def compression(self) -> float | None:
        """All parameters divided by the trained ones: the same for every seed. None if no trial has run."""
        factors = [trial.compression for trial in self.trials.values()]
        return next((factor for factor in factors if factor is not None), None)

    @property
    def collapsed(self) -> int:
        """How many of the networks collapsed: their output is the same for every image."""
        return sum(trial.status == "collapsed" for trial in self.trials.values())

    @property
    def at_chance(self) -> int:
        """How many of the networks were trained and are no better than guessing."""
        return sum(trial.at_chance for trial in self.trials.values())

    @property
    def lost(self) -> int:
        """How many trials diverged, and so have no accuracy."""
        return len(self.trials) - len(self.accuracies)

    @property
    def notes(self) -> list[str]:
        """What limits the mean: `2 of 5 seeds`, `1 collapsed`, `1 at chance`, `1 diverged`."""
        partly = 0 < len(self.trials) < self.wanted
        return [
            *([f"{len(self.trials)} of {self.wanted} seeds"] if partly else []),
            *([f"{self.collapsed} collapsed"] if self.collapsed else []),
            *([f"{self.at_chance} at chance"] if self.at_chance else []),
            *([f"{self.lost} diverged"] if self.lost else []),
        ]

    def in_unit(self, unit: Unit, dense: "Cell") -> Interval | None:
        """Our value in the unit of a published figure; None if there is no value.

        Args:
            unit: Of the published figure. A share of dense is relative to the dense network of the same seed.
                A factor is counted, so that its interval has the width 0.
            dense: The cell of the dense network.
        """
        if unit == "factor":
            factor = self.compression
            return None if factor is None else Interval(factor, 0.0, len(self.trials))
        if unit == "accuracy":
            return self.interval
        base = {seed: accuracy for seed, accuracy in dense.accuracies.items() if accuracy > 0}
        shares = [accuracy / base[seed] for seed, accuracy in self.accuracies.items() if seed in base]
        return interval(shares) if shares else None


@dataclass(frozen=True)
class PublishedComparison:
    """A cell compared with one published figure.

    Attributes:
        published: The figure.
        ours: Our value in its unit; None if there is no value.
        verdict: See `study.papers.table.verdict`; or the reason why there is none.
    """

    published: PublishedValue
    ours: Interval | None
    verdict: str


def compare_cell(
    cell: Cell, dense: Cell, published: PublishedValue, points: float, shortened: str
) -> PublishedComparison:
    """Compare a cell with a published figure.

    Args:
        cell: Ours.
        dense: The cell of the dense network.
        published: The figure.
        points: The tolerance, in percentage points.
        shortened: How the training differs from the paper's; empty if it does not. A factor is compared
            in both cases, since it depends on network and mask alone.
    """
    unit = published.unit
    ours = cell.in_unit(unit, dense)
    if ours is None:
        return PublishedComparison(published, None, NOT_RUN)
    needed = [cell] if unit == "accuracy" else [cell, dense]
    reason = "" if unit == "factor" else shortened or _gaps(*needed)
    if reason:
        return PublishedComparison(published, ours, f"not comparable: {reason}")
    verdict = compare_with_published(ours, published.value, tolerance_of(unit, points))
    return PublishedComparison(published, ours, verdict)


def _gaps(*cells: Cell) -> str:
    """Why the means of these cells are incomplete; empty if they are complete."""
    return "; ".join(
        f"{cell.lost} diverged" if cell.lost else f"{len(cell.trials)} of {cell.wanted} seeds"
        for cell in cells
        if cell.lost or len(cell.trials) < cell.wanted
    )


def with_results(trials: Sequence[StudyTrial]) -> dict[str, StudyTrial]:
    """The trials that have a result, by the hash of their configurations."""
    return {config_hash(trial.config): trial for trial in trials if trial.status in RESULTS}


def cell_of(
    method: str, rate: Decimal | None, configs: Sequence[TrialConfig], known: Mapping[str, StudyTrial]
) -> Cell:
    """Make a cell from the trials of its configurations.

    Args:
        method: The column's name.
        rate: The freezing rate; None for the dense network.
        configs: One for each seed that the cell should have.
        known: The trials with a result (see `with_results`).
    """
    found = {config.seed: known.get(config_hash(config)) for config in configs}
    trials = {seed: trial for seed, trial in found.items() if trial is not None}
    return Cell(method, rate, trials, len(configs))
