"""The tables of a study: one row per trial, and one row per trial and epoch, as Parquet."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cops_core.facts import values_of
from cops_core.scores import key_of
from study.records.evaluations import evaluated_accuracies, read_evaluations
from study.records.parameters import Kind, parameter_columns, parameter_row
from study.records.runs import read_runs
from study.records.store import StudyStore
from study.records.trial import StudyTrial

TRIALS_TABLE = "trials.parquet"
EPOCHS_TABLE = "epochs.parquet"

SCHEMA = pa.schema(
    {
        "study": pa.string(),
        "number": pa.int64(),
        "configuration": pa.int64(),
        "seed_index": pa.int64(),
        "judges": pa.int64(),
        "trial": pa.string(),
        "identity": pa.string(),
        "run_id": pa.string(),
        "reused_from": pa.string(),
        "status": pa.string(),
        "reason": pa.string(),
        "baseline": pa.bool_(),
        "method": pa.string(),
        "arm": pa.string(),
        "scale": pa.float64(),
        "target": pa.string(),
        "control": pa.string(),
        "level": pa.float64(),
        "level_kind": pa.string(),
        "combine": pa.string(),
        "shrunk": pa.float64(),
        "scope": pa.string(),
        "floor": pa.string(),
        "rounds": pa.int64(),
        "schedule": pa.string(),
        "revive": pa.bool_(),
        "batches": pa.int64(),
        "temperature": pa.float64(),
        "steps": pa.string(),
        "convention": pa.string(),
        "ablation": pa.string(),
        "dataset": pa.string(),
        "model": pa.string(),
        "seed": pa.int64(),
        "density": pa.float64(),
        "freezing_rate": pa.float64(),
        "effective_density": pa.float64(),
        "disconnected": pa.bool_(),
        "at_chance": pa.bool_(),
        "kept_weights": pa.int64(),
        "trained_parameters": pa.int64(),
        "parameters": pa.int64(),
        "compression": pa.float64(),
        "stored_bytes": pa.int64(),
        "learning_rate": pa.float64(),
        "weight_decay": pa.float64(),
        "epochs": pa.int64(),
        "validation_accuracy": pa.float64(),
        "validation_loss": pa.float64(),
        "train_loss": pa.float64(),
        "best_validation_accuracy": pa.float64(),
        "best_epoch": pa.int64(),
        "seconds": pa.float64(),
        "trainer": pa.string(),
        "measure": pa.string(),
        "value": pa.float64(),
        "test_accuracy": pa.float64(),
        "proposed": pa.string(),
        "config": pa.string(),
    }
)
TYPES: Mapping[Kind, pa.DataType] = {
    "bool": pa.bool_(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
}
# What a configuration decides: unknown if the space rejected the parameters.
DECIDED = ("arm", "scale", "dataset", "model", "learning_rate", "weight_decay", "config")

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


@dataclass(frozen=True)
class Additions:
    """What is known about trials, apart from their records.

    Attributes:
        tests: Test accuracies by the trial's name, of those that were evaluated on the test images.
        runs: The ids of MLflow's runs by the trial's name.
    """

    tests: Mapping[str, float] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict)


NOTHING_MORE = Additions()


def additions(store: StudyStore) -> Additions:
    """What a study's folder says about its trials, apart from their records."""
    return Additions(evaluated_accuracies(read_evaluations(store)), read_runs(store))


def trials_schema(trials: Sequence[StudyTrial]) -> pa.Schema:
    """The columns of a study's table: those of `SCHEMA`, and one for each searched parameter.

    Args:
        trials: The study's trials.
    """
    return pa.schema([*SCHEMA, *((name, TYPES[kind]) for name, kind in parameter_columns(trials).items())])


def trial_rows(
    study: str, trials: Sequence[StudyTrial], more: Additions = NOTHING_MORE
) -> list[dict[str, Any]]:
    """Trials as rows of `trials_schema`.

    Args:
        study: The study's name.
        trials: Its trials.
        more: What is known about them, apart from their records.
    """
    columns = parameter_columns(trials)
    return [trial_row(study, trial, more) | parameter_row(trial, columns) for trial in trials]


def trial_row(study: str, trial: StudyTrial, more: Additions = NOTHING_MORE) -> dict[str, Any]:
    """One trial as a row of `SCHEMA`.

    Metrics are those of the last epoch, except `best_validation_accuracy` and `best_epoch`. `value` is that
    of the `measure` by which trials are compared: the validation accuracy with the trainer "images".
    `judges` is the number of the chosen configuration that it trains on a fresh seed, None for a trial from
    which validation chooses. `reused_from` is None if the trial ran itself. `combine` is None without
    controls, `floor` without a floor (else e.g. `100 per layer`), `temperature` without a score that has one,
    `steps` without ProsPr (else e.g. `3 at 0.1`).
    `stored_bytes` is the size of its artefact. `seconds` is wall-clock time, None while the trial runs.
    `test_accuracy`: the accuracy on the test images, or the measure on the test part; None unless the trial
    was evaluated on it. `run_id`: its run in MLflow, known after the launch that ran it. `proposed`: the
    sampler's parameters, as JSON.

    Args:
        study: The study's name.
        trial: One of its trials.
        more: What is known about it, apart from its record.

    Returns:
        Values by column.
    """
    config, selection = trial.config, trial.config.selection
    controls = () if selection is None else selection.controls
    facts, connected = trial.facts, trial.connectivity
    best: Mapping[str, float] | None = None if trial.best_row is None else values_of(trial.best_row)
    last: Mapping[str, float] = values_of(trial.rows[-1]) if trial.rows else {}
    row = {
        "study": study,
        "number": trial.number,
        "configuration": trial.configuration,
        "seed_index": trial.seed_index,
        "judges": trial.judges,
        "trial": trial.name,
        "identity": trial.identity,
        "run_id": more.runs.get(trial.name),
        "reused_from": trial.reused_from or None,
        "status": trial.status,
        "reason": trial.reason,
        "baseline": trial.baseline,
        "method": trial.method,
        "arm": config.arm,
        "scale": config.scale if facts is None else facts.get("final_scale", config.scale),
        "target": None if selection is None else key_of(selection.target),
        "control": ", ".join(key_of(control.score) for control in controls) or None,
        "level": controls[0].level if len(controls) == 1 else None,
        "level_kind": selection.level_kind if selection is not None and controls else None,
        "combine": selection.combine if selection is not None and controls else None,
        "shrunk": shrunk(trial),
        **{
            name: None if selection is None else getattr(selection, name)
            for name in ("scope", "rounds", "schedule", "revive", "batches", "convention", "ablation")
        },
        "floor": None if selection is None or selection.floor is None else str(selection.floor),
        "temperature": None if selection is None else selection.temperature_used,
        "steps": None if selection is None or selection.steps_used is None else str(selection.steps_used),
        "dataset": config.dataset,
        "model": config.model,
        "seed": config.seed,
        "density": None if math.isnan(trial.density) else trial.density,
        "freezing_rate": None if math.isnan(trial.density) else float(trial.freezing_rate or 0),
        "effective_density": None if connected is None else connected["effective_density"],
        "disconnected": None if connected is None else connected["collapsed"],
        "at_chance": None if facts is None else facts.get("at_chance"),
        "kept_weights": None if facts is None else facts["kept_weights"],
        "trained_parameters": trial.trained_parameters,
        "parameters": None if facts is None else facts["parameters"],
        "compression": trial.compression,
        "stored_bytes": None if math.isnan(trial.stored_bytes) else int(trial.stored_bytes),
        "learning_rate": config.training.learning_rate,
        "weight_decay": config.training.weight_decay,
        "epochs": len(trial.rows),
        "validation_accuracy": last.get("validation_accuracy"),
        "validation_loss": last.get("validation_loss"),
        "train_loss": last.get("train_loss"),
        "best_validation_accuracy": None if best is None else best.get("validation_accuracy"),
        "best_epoch": None if best is None else best["epoch"],
        "seconds": None if trial.ended is None else trial.ended - trial.started,
        "trainer": config.trainer,
        "measure": trial.measure.name,
        "value": None if math.isnan(trial.accuracy) else trial.accuracy,
        "test_accuracy": more.tests.get(trial.name) if trial.test_accuracy is None else trial.test_accuracy,
        "proposed": json.dumps(trial.parameters) if trial.parameters else None,
        "config": json.dumps(config.model_dump(mode="json")),
    }
    return row | dict.fromkeys(DECIDED) if trial.rejected else row


def shrunk(trial: StudyTrial) -> float | None:
    """The smallest factor by which the trial's control levels had to be multiplied to be feasible.

    Args:
        trial: The trial.

    Returns:
        A factor in [0, 1]; 1 if all levels were feasible; None without controls, and before the mask was
        chosen.
    """
    selection, manifest = trial.config.selection, trial.manifest
    if selection is None or not selection.controls or manifest is None:
        return None
    factors = [solution["shrunk"] for solution in manifest["solutions"].values()]
    return min((factor for factor in factors if factor is not None), default=None)


def epoch_rows(study: str, trial: StudyTrial) -> list[dict[str, Any]]:
    """A trial's epochs as rows.

    Args:
        study: The study's name.
        trial: One of its trials.

    Returns:
        Rows of `EPOCH_SCHEMA`, with further metrics that the trial reported.
    """
    return [{"study": study, "number": trial.number, "trial": trial.name, **row} for row in trial.rows]


def trial_tables(
    study: str, trials: Sequence[StudyTrial], more: Additions = NOTHING_MORE
) -> dict[str, bytes]:
    """Both tables as Parquet files.

    Args:
        study: The study's name.
        trials: Its trials.
        more: What is known about them, apart from their records.

    Returns:
        The content of each file, by name.
    """
    rows = trial_rows(study, trials, more)
    epochs = [row for trial in trials for row in epoch_rows(study, trial)]
    files = {}
    for name, schema, content in (
        (TRIALS_TABLE, trials_schema(trials), rows),
        (EPOCHS_TABLE, EPOCH_SCHEMA, epochs),
    ):
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(content, schema=schema), buffer)
        files[name] = buffer.getvalue()
    return files
