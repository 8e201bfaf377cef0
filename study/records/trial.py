"""One trial of a study as the driver sees it, and its record."""

import math
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from cops_core.config import TrialConfig, parse_config

# stopped: early, by its race. collapsed: nothing flows through the pruned network, so that it was not
# trained. infeasible: no mask meets the levels. interrupted: the study ended while the trial ran, and
# goes on with it when it is resumed. failed: an exception. out_of_memory: of its device or its node.
# killed: its worker died, more often than it is retried.
Status = Literal[
    "running",
    "interrupted",
    "finished",
    "stopped",
    "diverged",
    "collapsed",
    "infeasible",
    "failed",
    "out_of_memory",
    "killed",
]
# The ends that are a result: all there is to know about the configuration with this seed.
RESULTS: tuple[Status, ...] = ("finished", "diverged", "collapsed", "infeasible")
# Of these, the ones whose accuracy is that of the whole training.
COMPARABLE: tuple[Status, ...] = ("finished", "collapsed")
# The ends that say nothing about the configuration.
FAILURES: tuple[Status, ...] = ("failed", "out_of_memory", "killed")
# Neither: a resumed study goes on with these.
OPEN: tuple[Status, ...] = ("running", "interrupted")


@dataclass(kw_only=True)
class StudyTrial:
    """A configuration with a seed, where it came from, and what it has reported so far.

    number: in the order in which trials were handed out. configuration: the number of the proposal,
    which trials share that differ in nothing but their seed; seed_index: which of its seeds.
    identity: see `cops_core.identity`. rate: the freezing rate whose history and early stopping it
    belongs to; None where the rate is not an axis, and for the dense trial. parameters: what the
    sampler proposed. began, told: places in the order of the study's events, by which it is replayed.
    rows: the metrics of each epoch; stamps: when each was heard of, in ms since 1970.
    facts: what `cops_core.trial.Trial.facts` says, and what the worker adds (`plugins`, `machine`,
    `artifact`). log: a traceback, or what else is known about a failure. reused_from: `STUDY/TRIAL`
    whose result this is. started, ended: seconds since 1970.
    """

    number: int
    config: TrialConfig
    configuration: int = 0
    seed_index: int = 0
    identity: str = ""
    anchor: bool = False
    rate: Decimal | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    status: Status = "running"
    reason: str = ""
    log: str = ""
    node: str = ""
    reused_from: str = ""
    began: int = 0
    told: int | None = None
    rows: list[dict[str, float]] = field(default_factory=list)
    stamps: list[int] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    ended: float | None = None

    @property
    def name(self) -> str:
        """The trial's name within its study: its number and the head of its identity."""
        return f"{self.number:05d}-{self.identity[:16]}"

    @property
    def title(self) -> str:
        """What a person reads: `freeze cops(snip; synflow 0.3) q=0.99`."""
        rate = self.config.freezing_rate
        return self.config.detailed_method + ("" if rate is None else f" q={rate}")

    @property
    def over(self) -> bool:
        """Whether it has ended, for whatever reason but that the study did."""
        return self.status not in OPEN

    @property
    def accuracy(self) -> float:
        """The last epoch's validation accuracy; NaN before the first."""
        return self.rows[-1]["validation_accuracy"] if self.rows else math.nan

    @property
    def best_row(self) -> dict[str, float]:
        """The epoch of the best validation accuracy, the first of equals; empty before the first.

        Kept apart from the last epoch: choosing an epoch is a choice of its own.
        """
        return max(self.rows, key=lambda row: row["validation_accuracy"], default={})

    @property
    def connectivity(self) -> dict[str, Any]:
        """What the mask leaves connected (see `cops_core.collapse`); empty without a mask."""
        return self.facts.get("connectivity") or {}

    @property
    def density(self) -> float:
        """The kept fraction; 1 for the dense trial."""
        return 1.0 if self.config.density is None else float(self.config.density)

    @property
    def stored_bytes(self) -> float:
        """The size of its artefact; NaN before its network was built."""
        return float(self.facts.get("accounting", {}).get("artifact_bytes", math.nan))

    def add_row(self, row: dict[str, float], stamp: int | None = None) -> bool:
        """Add an epoch's metrics; False if they are there already (a trial that went on elsewhere)."""
        if self.rows and row["epoch"] <= self.rows[-1]["epoch"]:
            return False
        self.stamps.append(int(time.time() * 1000) if stamp is None else stamp)
        self.rows.append(row)
        return True

    def record(self) -> dict[str, Any]:
        """The trial as JSON values."""
        plain = {
            name: value
            for name, value in vars(self).items()
            if name not in ("config", "rate", "rows", "stamps")
        }
        count = len(self.rows)  # a row may be added while another thread writes
        return {
            **plain,
            "config": self.config.model_dump(mode="json"),
            "rate": None if self.rate is None else str(self.rate),
            "rows": [{key: _finite(value) for key, value in row.items()} for row in self.rows[:count]],
            "stamps": self.stamps[:count],
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "StudyTrial":
        """The trial that `record` describes."""
        rows = [
            {key: math.nan if value is None else value for key, value in row.items()}
            for row in record["rows"]
        ]
        rate = None if record["rate"] is None else Decimal(record["rate"])
        return cls(**{**record, "config": parse_config(record["config"]), "rate": rate, "rows": rows})


def _finite(value: float) -> float | None:
    """JSON has no NaN and no infinity: both are None, the loss of a diverged trial."""
    return value if math.isfinite(value) else None
