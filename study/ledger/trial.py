"""One trial of a study as the driver sees it, and its record."""

import math
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from cops_core.config import TrialConfig, parse_config
from cops_core.trainable import config_hash

# stopped: early, by the scheduler. collapsed: nothing flows through the pruned network, so that it was
# not trained. interrupted: the study ended while the trial ran.
Status = Literal["running", "finished", "stopped", "diverged", "collapsed", "failed", "interrupted"]
# The ends that are a result: all there is to know about the configuration.
RESULTS: tuple[Status, ...] = ("finished", "diverged", "collapsed")
# Of these, the ones whose accuracy is that of the whole training.
COMPARABLE: tuple[Status, ...] = ("finished", "collapsed")


@dataclass(kw_only=True)
class StudyTrial:
    """A configuration, where it came from, and what it has reported so far.

    rate: the freezing rate whose history and early stopping it belongs to; None where the rate is
    not an axis, and for the dense trial. parameters: what the sampler proposed.
    rows: the metrics of each epoch. facts: what `cops_core.trainable.Trial.facts` says, and under
    `plugins` the name and the SHA-256 of each plugin that the worker had loaded.
    """

    number: int
    config: TrialConfig
    anchor: bool = False
    rate: Decimal | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    status: Status = "running"
    reason: str = ""
    node: str = ""
    rows: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.time)
    ended: float | None = None

    @property
    def name(self) -> str:
        """The trial's name within its study: its number and the hash of its configuration."""
        return f"{self.number:05d}-{config_hash(self.config)[:8]}"

    @property
    def title(self) -> str:
        """What a person reads: `freeze cops(snip; synflow 0.3) q=0.99`."""
        selection, density = self.config.selection, self.config.density
        if selection is None or density is None:
            return "dense"
        levels = ", ".join(f"{control.score} {control.level:.3g}" for control in selection.controls)
        scores = f"cops({selection.target}; {levels})" if levels else selection.target
        return f"{self.config.treatment} {scores}{selection.manner} q={1 - density}"

    @property
    def accuracy(self) -> float:
        """The last epoch's validation accuracy; NaN before the first."""
        return self.rows[-1]["validation_accuracy"] if self.rows else math.nan

    @property
    def connectivity(self) -> dict[str, Any]:
        """What the mask leaves connected (see `cops_core.collapse`); empty without a mask."""
        return self.facts.get("connectivity") or {}

    @property
    def density(self) -> float:
        """The kept fraction; 1 for the dense trial."""
        return 1.0 if self.config.density is None else float(self.config.density)

    def add_row(self, row: dict[str, float]) -> bool:
        """Add an epoch's metrics; False if they are there already (a trial that went on elsewhere)."""
        if self.rows and row["epoch"] <= self.rows[-1]["epoch"]:
            return False
        self.rows.append(row)
        return True

    def record(self) -> dict[str, Any]:
        """The trial as JSON values."""
        return {
            **{name: value for name, value in vars(self).items() if name not in ("config", "rate", "rows")},
            "config": self.config.model_dump(mode="json"),
            "rate": None if self.rate is None else str(self.rate),
            "rows": [{key: _finite(value) for key, value in row.items()} for row in self.rows],
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
