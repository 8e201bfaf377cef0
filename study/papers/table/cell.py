"""A cell of the table: its trials, what they come to, and what was published of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cops_core.config import TrialConfig
from cops_core.trial import config_hash
from search_spaces.presets.base import PublishedValue, Unit
from study.analysis.statistics import Interval, interval
from study.papers.table.verdict import judge, tolerance_of
from study.records.trial import RESULTS, StudyTrial

NOT_RUN = "not run"


@dataclass(frozen=True)
class Cell:
    """A method at a rate; the dense network has neither.

    trials: by seed, those that have a result. wanted: how many seeds the cell is asked to have.
    """

    method: str
    rate: Decimal | None
    trials: Mapping[int, StudyTrial]
    wanted: int

    @property
    def accuracies(self) -> dict[int, float]:
        """Test accuracy in [0, 1] by seed; a collapsed network's is chance. Without the diverged ones."""
        found = {seed: trial.test_accuracy for seed, trial in self.trials.items()}
        return {seed: accuracy for seed, accuracy in found.items() if accuracy is not None}

    @property
    def interval(self) -> Interval | None:
        """Mean test accuracy with its 95 % interval over the seeds; None where there is none."""
        return interval(list(self.accuracies.values())) if self.accuracies else None

    @property
    def compression(self) -> float | None:
        """All parameters over the trained ones, the same for every seed."""
        factors = [trial.compression for trial in self.trials.values()]
        return next((factor for factor in factors if factor is not None), None)

    @property
    def collapsed(self) -> int:
        """How many of the networks let nothing through."""
        return sum(trial.status == "collapsed" for trial in self.trials.values())

    @property
    def lost(self) -> int:
        """How many trials ended without an accuracy: diverged."""
        return len(self.trials) - len(self.accuracies)

    @property
    def notes(self) -> list[str]:
        """What a reader of the mean must know: `2 of 5 seeds`, `1 collapsed`, `1 diverged`."""
        partly = 0 < len(self.trials) < self.wanted
        return [
            *([f"{len(self.trials)} of {self.wanted} seeds"] if partly else []),
            *([f"{self.collapsed} collapsed"] if self.collapsed else []),
            *([f"{self.lost} diverged"] if self.lost else []),
        ]

    def in_unit(self, unit: Unit, dense: "Cell") -> Interval | None:
        """What is ours of a published figure; None where there is nothing to compare.

        A share of dense is that of each seed's own dense network. A factor is counted, not estimated.
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
class Held:
    """A cell compared with one published figure.

    verdict: see `study.papers.table.verdict`, or why there is none.
    """

    published: PublishedValue
    ours: Interval | None
    verdict: str


def hold(cell: Cell, dense: Cell, one: PublishedValue, points: float, otherwise: str) -> Held:
    """A cell against a figure. points: the tolerance. otherwise: why its training cannot be compared.

    A factor follows from network and mask: it is compared however long the training was.
    """
    ours = cell.in_unit(one.unit, dense)
    if ours is None:
        return Held(one, None, NOT_RUN)
    why = (
        "" if one.unit == "factor" else otherwise or _gaps(cell, *([dense] if one.unit != "accuracy" else []))
    )
    if why:
        return Held(one, ours, f"not comparable: {why}")
    return Held(one, ours, judge(ours, one.value, tolerance_of(one.unit, points)))


def _gaps(*cells: Cell) -> str:
    """What these cells lack of being the mean that was asked for; empty if nothing."""
    return "; ".join(
        f"{cell.lost} diverged" if cell.lost else f"{len(cell.trials)} of {cell.wanted} seeds"
        for cell in cells
        if cell.lost or len(cell.trials) < cell.wanted
    )


def with_results(trials: Sequence[StudyTrial]) -> dict[str, StudyTrial]:
    """Those trials that are results, by the hash of their configurations."""
    return {config_hash(trial.config): trial for trial in trials if trial.status in RESULTS}


def cell_of(
    method: str, rate: Decimal | None, configs: Sequence[TrialConfig], known: Mapping[str, StudyTrial]
) -> Cell:
    """A cell of these configurations, of which some are known (see `with_results`)."""
    found = {config.seed: known.get(config_hash(config)) for config in configs}
    trials = {seed: trial for seed, trial in found.items() if trial is not None}
    return Cell(method, rate, trials, len(configs))
