"""One trial of a study in the driver, and its record."""

import math
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Never, NotRequired, TypedDict, cast

from cops_core.config import TrialConfig, parse_config
from cops_core.facts import ConnectivityFacts, MetricRow, SelectionManifest, values_of
from cops_core.trainers import Measure
from study.records.facts import Artifact, TrialFacts, TrialLocation

# stopped: early, in its race. collapsed: no signal passes the pruned network, so that it was not trained.
# infeasible: no mask meets the control levels. rejected: its space raised `optuna.TrialPruned`.
# interrupted: the study ended while the trial ran, and continues it when it is resumed. failed: an exception.
# out_of_memory: on its device or its node.
# killed: its worker died more often than a trial is retried.
Status = Literal[
    "running",
    "interrupted",
    "finished",
    "stopped",
    "diverged",
    "collapsed",
    "infeasible",
    "rejected",
    "failed",
    "out_of_memory",
    "killed",
]
# Ends that are a result: the configuration with this seed need not be run again.
RESULTS: tuple[Status, ...] = ("finished", "diverged", "collapsed", "infeasible")
# Results whose accuracy is that of the whole training.
COMPARABLE: tuple[Status, ...] = ("finished", "collapsed")
# Ends that say nothing about the configuration.
FAILURES: tuple[Status, ...] = ("failed", "out_of_memory", "killed")
# The method of a trial whose parameters were rejected: they have no configuration.
REJECTED = "rejected by the space"
# Not an end: a resumed study continues these.
OPEN: tuple[Status, ...] = ("running", "interrupted")


class TrialRecord(TypedDict):
    """A trial as JSON values: the fields of `StudyTrial`.

    `facts` is empty before the first report; `rejected` and `named` are missing if they are empty, `judges`
    if it is None. In each of `rows` None
    stands for a number that is not finite.
    """

    number: int
    configuration: int
    seed_index: int
    identity: str
    baseline: bool
    parameters: dict[str, Any]
    status: Status
    reason: str
    log: str
    node: str
    reused_from: str
    start_sequence: int
    finish_sequence: int | None
    facts: TrialFacts | dict[str, Never]
    started: float
    ended: float | None
    config: dict[str, Any]
    rate: str | None
    rows: list[dict[str, float | None]]
    stamps: list[int]
    rejected: NotRequired[str]
    named: NotRequired[str]
    judges: NotRequired[int]


@dataclass(kw_only=True)
class StudyTrial:
    """A configuration with a seed, where it came from, and what it has reported so far.

    Attributes:
        number: Its place in the order in which trials were handed out.
        config: The trial; of a rejected one the dense network of its study, since the space gave none.
        configuration: The number of its proposal; trials that differ only in their seed share it.
        seed_index: Which of the configuration's seeds it has.
        identity: See `cops_core.identity`.
        baseline: Whether its configuration is a baseline.
        rate: The freezing rate whose sampler history and race it belongs to; None if the rate is not an
            axis, and for the dense trial.
        parameters: What the sampler proposed.
        rejected: Why the space rejected the parameters; empty if it did not.
        named: The name of its method, if the space gives one or rejected the parameters of a method; empty
            if the method has the name of its configuration.
        judges: The number of the chosen configuration that it trains again on a fresh seed, to evaluate it on
            the test part; None for a trial from which validation chooses.
        status: Whether it runs, or how it ended.
        reason: Why it ended like this; empty if it finished.
        log: A traceback, or other text about a failure.
        node: The node that it runs on.
        reused_from: `STUDY/TRIAL` whose result this is; empty if it ran itself.
        start_sequence: The position of its start in the order of the study's events.
        finish_sequence: The position of its end; None while it runs.
        rows: The metrics of each epoch.
        stamps: When each epoch was received, in ms since 1970.
        facts: What its worker has reported; None before the first report.
        started: In seconds since 1970.
        ended: In seconds since 1970; None while it runs.
    """

    number: int
    config: TrialConfig
    configuration: int = 0
    seed_index: int = 0
    identity: str = ""
    baseline: bool = False
    rate: Decimal | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    rejected: str = ""
    named: str = ""
    judges: int | None = None
    status: Status = "running"
    reason: str = ""
    log: str = ""
    node: str = ""
    reused_from: str = ""
    start_sequence: int = 0
    finish_sequence: int | None = None
    rows: list[MetricRow] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    facts: TrialFacts | None = None
    started: float = field(default_factory=time.time)
    ended: float | None = None

    @property
    def name(self) -> str:
        """The trial's name within its study: its number and the first characters of its identity."""
        return f"{self.number:05d}-{self.identity[:16]}"

    @property
    def title(self) -> str:
        """The trial's title in tables: `freeze cops(snip; synflow 0.3) q=0.99`."""
        rate = self.freezing_rate
        return self.detailed_method + ("" if rate is None else f" q={rate}")

    @property
    def method(self) -> str:
        """The name under which it is compared: `freeze cops(snip; synflow)`."""
        return REJECTED if self.rejected else self.named or self.config.method

    @property
    def detailed_method(self) -> str:
        """The method with its levels, without its rate: `freeze cops(snip; synflow 0.3)`."""
        return REJECTED if self.rejected else self.config.detailed_method

    @property
    def freezing_rate(self) -> Decimal | None:
        """The frozen share; None for the dense trial, and for a rejected one if the rate is not an axis."""
        return self.rate if self.rejected else self.config.freezing_rate

    @property
    def has_ended(self) -> bool:
        """Whether the trial has ended. A trial that was interrupted with its study has not."""
        return self.status not in OPEN

    @property
    def measure(self) -> Measure:
        """The number by which it is compared: the validation accuracy, or what its trainer says."""
        return self.config.measure

    @property
    def accuracy(self) -> float:
        """The last epoch's validation accuracy, or value of its measure; NaN before the first."""
        return self.value_in(self.rows[-1]) if self.rows else math.nan

    @property
    def epoch(self) -> int:
        """The last epoch; 0 before the first report. Rewound networks begin in a later epoch than 1."""
        return int(self.rows[-1]["epoch"]) if self.rows else 0

    @property
    def best_row(self) -> MetricRow | None:
        """The first epoch with the best value of its measure; None before the first epoch.

        It is not the trial's result: choosing an epoch is a further choice.
        """
        return max(self.rows, key=lambda row: self.measure.quality(self.value_in(row)), default=None)

    def value_in(self, row: MetricRow) -> float:
        """The value of its measure in an epoch."""
        return values_of(row)[self.measure.name]

    @property
    def connectivity(self) -> ConnectivityFacts | None:
        """What the mask leaves connected (see `cops_core.collapse`); None without a mask.

        Of a mask that changes during the training: the last one, if the trial has ended.
        """
        if self.facts is None:
            return None
        return self.facts.get("final_connectivity", self.facts["connectivity"])

    @property
    def manifest(self) -> SelectionManifest | None:
        """How the mask was chosen (see `cops_core.trial_selection`); None without a mask."""
        return None if self.facts is None else self.facts["manifest"]

    @property
    def layer_densities(self) -> dict[str, float]:
        """The kept fraction of each layer; empty without a mask."""
        return {} if self.facts is None else self.facts["layer_densities"] or {}

    @property
    def trained_parameters(self) -> int | None:
        """The number of trained values; None before its network was built."""
        return None if self.facts is None else self.facts["trained_parameters"]

    @property
    def compression(self) -> float | None:
        """The number of all parameters over that of trained ones; None before its network was built."""
        return None if self.facts is None else self.facts["compression"]

    @property
    def at_chance(self) -> bool:
        """Whether it was trained to its end and its accuracy may be that of guessing."""
        return self.status == "finished" and bool(self.facts and self.facts.get("at_chance"))

    @property
    def test_accuracy(self) -> float | None:
        """The measure on the test part; None without `TrialConfig.test`, and before the end."""
        return None if self.facts is None else self.facts.get("test_accuracy")

    @property
    def data_sha256(self) -> str | None:
        """SHA-256 of its data set; None before that was read."""
        return None if self.facts is None else self.facts["data_sha256"]

    @property
    def plugins(self) -> dict[str, str]:
        """Names and SHA-256 of the plugins that it was run with."""
        return {} if self.facts is None else self.facts["plugins"]

    @property
    def placed(self) -> TrialLocation | None:
        """Where it runs; None before the first report."""
        return None if self.facts is None else self.facts["placed"]

    @property
    def artifact(self) -> Artifact | None:
        """Its trained network in the study's folder; None if it is not stored."""
        return None if self.facts is None else self.facts.get("artifact")

    @property
    def density(self) -> float:
        """The kept fraction; 1 for the dense trial, NaN for a rejected one if the rate is not an axis."""
        if self.rejected:
            return math.nan if self.rate is None else float(1 - self.rate)
        return 1.0 if self.config.density is None else float(self.config.density)

    @property
    def artifact_missing(self) -> str | None:
        """Why its network could not be stored; None if no error is known."""
        return None if self.facts is None else self.facts.get("artifact_missing")

    @property
    def stored_bytes(self) -> float:
        """The size of its artefact; NaN before its network was built."""
        return math.nan if self.facts is None else float(self.facts["accounting"]["artifact_bytes"])

    def add_row(self, row: MetricRow, stamp: int | None = None) -> bool:
        """Add an epoch's metrics.

        Args:
            row: The metrics.
            stamp: When they were received, in ms since 1970; None is now.

        Returns:
            False if this epoch is already known: a trial that resumed on another worker repeats epochs.
        """
        if self.rows and row["epoch"] <= self.rows[-1]["epoch"]:
            return False
        self.stamps.append(int(time.time() * 1000) if stamp is None else stamp)
        self.rows.append(row)
        return True

    def record(self) -> TrialRecord:
        """The trial as JSON values."""
        count = len(self.rows)  # a row may be added while another thread writes
        record: TrialRecord = {
            "number": self.number,
            "configuration": self.configuration,
            "seed_index": self.seed_index,
            "identity": self.identity,
            "baseline": self.baseline,
            "parameters": self.parameters,
            "status": self.status,
            "reason": self.reason,
            "log": self.log,
            "node": self.node,
            "reused_from": self.reused_from,
            "start_sequence": self.start_sequence,
            "finish_sequence": self.finish_sequence,
            "facts": self.facts or {},
            "started": self.started,
            "ended": self.ended,
            "config": self.config.model_dump(mode="json"),
            "rate": None if self.rate is None else str(self.rate),
            "rows": [_recorded(row) for row in self.rows[:count]],
            "stamps": self.stamps[:count],
        }
        if self.rejected:
            record["rejected"] = self.rejected
        if self.named:
            record["named"] = self.named
        if self.judges is not None:
            record["judges"] = self.judges
        return record

    @classmethod
    def from_record(cls, record: TrialRecord) -> "StudyTrial":
        """The trial of a record.

        Args:
            record: As `record` returned it.

        Returns:
            The trial.

        Raises:
            KeyError: The record or its facts lack a field.
            TypeError: The record has an unknown field.
            InputError: Its configuration is not valid here, e.g. since it needs a plugin.
        """
        if missing := TrialRecord.__required_keys__ - record.keys():
            raise KeyError(", ".join(sorted(missing)))
        fields: dict[str, Any] = {
            **record,
            "config": parse_config(record["config"]),
            "facts": _known(record["facts"]),
            "rate": None if record["rate"] is None else Decimal(record["rate"]),
            "rows": [_row(row) for row in record["rows"]],
        }
        return cls(**fields)


def _recorded(row: MetricRow) -> dict[str, float | None]:
    """A row for JSON, which has neither NaN nor infinity (the loss of a diverged trial): both are None."""
    return {name: value if math.isfinite(value) else None for name, value in values_of(row).items()}


def _row(recorded: dict[str, float | None]) -> MetricRow:
    """A recorded row as metrics: None is NaN."""
    return cast(MetricRow, {name: math.nan if v is None else v for name, v in recorded.items()})


def _known(facts: TrialFacts | dict[str, Never]) -> TrialFacts | None:
    """The facts of a record; None if they are empty. KeyError if one is missing, as in another version."""
    if missing := TrialFacts.__required_keys__ - facts.keys() if facts else ():
        raise KeyError(f"facts: {', '.join(sorted(missing))}")
    return cast(TrialFacts, facts) if facts else None
