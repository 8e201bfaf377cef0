"""The tidy table of a study: one row per trial, as Parquet, and the best of each method."""

import io
import json
import math
import time
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from study.observer import Observer
from study.store import StudyStore
from study.trial import COMPARABLE, StudyTrial

TRIALS_TABLE = "trials.parquet"
EPOCHS_TABLE = "epochs.parquet"
TABLE_INTERVAL_S = 30.0

SCHEMA = pa.schema(
    {
        "study": pa.string(),
        "number": pa.int64(),
        "trial": pa.string(),
        "status": pa.string(),
        "reason": pa.string(),
        "anchor": pa.bool_(),
        "method": pa.string(),
        "arm": pa.string(),
        "scale": pa.float64(),
        "target": pa.string(),
        "control": pa.string(),
        "level": pa.float64(),
        "level_kind": pa.string(),
        "scope": pa.string(),
        "rounds": pa.int64(),
        "schedule": pa.string(),
        "revive": pa.bool_(),
        "convention": pa.string(),
        "ablation": pa.string(),
        "dataset": pa.string(),
        "model": pa.string(),
        "seed": pa.int64(),
        "density": pa.float64(),
        "freezing_rate": pa.float64(),
        "effective_density": pa.float64(),
        "disconnected": pa.bool_(),
        "kept_weights": pa.int64(),
        "trained_parameters": pa.int64(),
        "parameters": pa.int64(),
        "compression": pa.float64(),
        "learning_rate": pa.float64(),
        "weight_decay": pa.float64(),
        "epochs": pa.int64(),
        "validation_accuracy": pa.float64(),
        "validation_loss": pa.float64(),
        "train_loss": pa.float64(),
        "seconds": pa.float64(),
        "config": pa.string(),
    }
)

EPOCH_SCHEMA = pa.schema(
    {
        "study": pa.string(),
        "number": pa.int64(),
        "trial": pa.string(),
        "epoch": pa.int64(),
        "train_loss": pa.float64(),
        "validation_loss": pa.float64(),
        "validation_accuracy": pa.float64(),
        "learning_rate": pa.float64(),
        "train_seconds": pa.float64(),
    }
)


def trial_row(study: str, trial: StudyTrial) -> dict[str, Any]:
    """One trial as a row of `SCHEMA`. Metrics are the last epoch's; `seconds` is wall-clock time."""
    config, selection = trial.config, trial.config.selection
    density = trial.config.density
    controls = () if selection is None else selection.controls
    last = trial.rows[-1] if trial.rows else {}
    return {
        "study": study,
        "number": trial.number,
        "trial": trial.name,
        "status": trial.status,
        "reason": trial.reason,
        "anchor": trial.anchor,
        "method": config.method,
        "arm": config.arm,
        "scale": trial.facts.get("final_scale", config.scale),
        "target": None if selection is None else selection.target,
        "control": ", ".join(control.score for control in controls) or None,
        "level": controls[0].level if len(controls) == 1 else None,
        "level_kind": selection.level_kind if selection is not None and controls else None,
        **{
            name: None if selection is None else getattr(selection, name)
            for name in ("scope", "rounds", "schedule", "revive", "convention", "ablation")
        },
        "dataset": config.dataset,
        "model": config.model,
        "seed": config.seed,
        "density": trial.density,
        "freezing_rate": 0.0 if density is None else float(1 - density),
        "effective_density": trial.connectivity.get("effective_density"),
        "disconnected": trial.connectivity.get("collapsed"),
        **{
            name: trial.facts.get(name)
            for name in ("kept_weights", "trained_parameters", "parameters", "compression")
        },
        "learning_rate": config.training.learning_rate,
        "weight_decay": config.training.weight_decay,
        "epochs": len(trial.rows),
        **{name: last.get(name) for name in ("validation_accuracy", "validation_loss", "train_loss")},
        "seconds": None if trial.ended is None else trial.ended - trial.started,
        "config": json.dumps(config.model_dump(mode="json")),
    }


def trial_tables(study: str, trials: Sequence[StudyTrial]) -> dict[str, bytes]:
    """Both tables as Parquet files by name: one row per trial, and one per trial and epoch."""
    rows = [trial_row(study, trial) for trial in trials]
    epochs = [
        {"study": study, "number": trial.number, "trial": trial.name, **row}
        for trial in trials
        for row in trial.rows
    ]
    files = {}
    for name, schema, content in ((TRIALS_TABLE, SCHEMA, rows), (EPOCHS_TABLE, EPOCH_SCHEMA, epochs)):
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(content, schema=schema), buffer)
        files[name] = buffer.getvalue()
    return files


class RecordWriter(Observer):
    """Writes each trial's record when it ends. The records are the truth of a study."""

    def __init__(self, store: StudyStore) -> None:
        self.store = store

    def ended(self, trial: StudyTrial) -> None:
        """Write the trial's record."""
        self.store.save(trial)


class TableWriter(Observer):
    """Keeps the tables up to date: rewritten from time to time, and at the end."""

    def __init__(self, store: StudyStore) -> None:
        self.store = store
        self._ended = store.trials()  # of an earlier run, if this one goes on with it
        self._written = time.monotonic()

    def ended(self, trial: StudyTrial) -> None:
        """Add the trial; rewrite the tables if that was some time ago."""
        self._ended.append(trial)
        if time.monotonic() - self._written > TABLE_INTERVAL_S:
            self.close()

    def files(self) -> dict[str, bytes]:
        """The tables of all trials that have ended, by file name."""
        return trial_tables(self.store.name, sorted(self._ended, key=lambda trial: trial.number))

    def close(self) -> None:
        """Write the tables, each whole or not at all."""
        for name, content in self.files().items():
            self.store.write(name, content)
        self._written = time.monotonic()


def best_per_method(trials: Sequence[StudyTrial]) -> list[StudyTrial]:
    """The best finished trial of each method at each rate: rates in order, the best first.

    A collapsed network has its accuracy, that of guessing. A trial that was stopped early has not seen
    all its epochs: it is not compared.
    """
    best: dict[tuple[float, str], StudyTrial] = {}
    for trial in trials:
        if trial.status not in COMPARABLE or math.isnan(trial.accuracy):
            continue
        group = (-1.0 if trial.rate is None else float(trial.rate), trial.config.method)
        if group not in best or trial.accuracy > best[group].accuracy:
            best[group] = trial
    return [best[key] for key in sorted(best, key=lambda key: (key[0], -best[key].accuracy))]


def pareto_front(trials: Sequence[StudyTrial]) -> list[StudyTrial]:
    """The finished trials that no other beats in both accuracy and density, densest first."""
    done = [trial for trial in trials if trial.status in COMPARABLE]
    by_density = sorted(done, key=lambda trial: (trial.density, -trial.accuracy))
    front: list[StudyTrial] = []
    for trial in by_density:
        if not front or trial.accuracy > front[-1].accuracy:
            front.append(trial)
    return front[::-1]
