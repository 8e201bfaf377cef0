"""What a trial's run holds: its trial's record in MLflow's words. Nothing here talks to MLflow."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Never, TypedDict, get_args

from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
)

from cops_core.facts import Machine, values_of
from cops_core.scores import kind_of
from study.provenance import git_commit, versions
from study.records.trial import OPEN, Status, StudyTrial
from study.tracking.describe import opening_note, run_name

CONFIG_FILE = "config.json"  # all that a replay needs
LOG_FILE = "log.txt"

# A result of whatever kind is FINISHED; the tag `status` says which.
END_STATES: Mapping[Status, str] = {
    "running": "RUNNING",
    "interrupted": "KILLED",
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FINISHED",
    "collapsed": "FINISHED",
    "infeasible": "FINISHED",
    "failed": "FAILED",
    "out_of_memory": "FAILED",
    "killed": "FAILED",
}
# Facts that are metrics, and facts that are files of a run.
Count = Literal["density", "trained_parameters", "parameters", "compression", "test_accuracy"]
JsonFact = Literal["layer_densities", "manifest", "connectivity", "accounting"]
COUNTS: tuple[Count, ...] = get_args(Count)
JSON_FACTS: tuple[JsonFact, ...] = get_args(JsonFact)

# MLflow's limits, in characters and in metrics. Older servers take tags of 5000 only.
PARAM_LENGTH = 6000
TAG_LENGTH = 5000
BATCH = 1000
CUT = f" ... (cut, the whole is in {CONFIG_FILE})"


def opening_tags(study: Mapping[str, str], parent: str, trial: StudyTrial) -> dict[str, str]:
    """What is known of a trial when it is handed out. study: the tags by which a study is known."""
    tags = {
        MLFLOW_RUN_NOTE: opening_note(trial),
        MLFLOW_PARENT_RUN_ID: parent,
        **study,
        "trial": trial.name,
        "configuration": str(trial.configuration),
        "seed_index": str(trial.seed_index),
        "identity": trial.identity,
        **method_tags(trial),
        "seed": str(trial.config.seed),
        "baseline": str(trial.baseline).lower(),
        "status": "running",
        **provenance(),
    }
    return tags | ({"reused_from": trial.reused_from} if trial.reused_from else {})


def method_tags(trial: StudyTrial) -> dict[str, str]:
    """The run's name, and what one filters and groups by."""
    selection, rate = trial.config.selection, trial.config.freezing_rate
    controls = () if selection is None else selection.controls
    return {
        MLFLOW_RUN_NAME: run_name(trial),
        "title": trial.title,
        "method": trial.config.method,
        "arm": trial.config.arm,
        "target": "" if selection is None else kind_of(selection.target),
        "control": ", ".join(kind_of(control.score) for control in controls),
        "level": ", ".join(f"{control.level:.3g}" for control in controls),
        "rate": "" if rate is None else str(rate),
    }


def closing_tags(trial: StudyTrial, rows: str, note: str) -> list[RunTag]:
    """What is known of a trial when it has ended. rows: how many are there, empty if not all is."""
    tags = {"status": trial.status, "node": trial.node, "reason": trial.reason, "rows": rows}
    tags[MLFLOW_RUN_NOTE] = note
    if trial.reused_from:
        tags["reused_from"] = trial.reused_from
    tags |= {f"plugin.{name}": sha for name, sha in trial.plugins.items()}
    return [RunTag(key, value[:TAG_LENGTH]) for key, value in tags.items()]


def provenance() -> dict[str, str]:
    """Tags that say which code this is."""
    tags = {f"version.{library}": number for library, number in versions().items()}
    return {**tags, MLFLOW_GIT_COMMIT: git_commit()}


def params(values: Mapping[str, Any], prefix: str = "") -> list[Param]:
    """Nested values as MLflow parameters with dotted names; what is too long for MLflow is cut."""
    found: list[Param] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += params(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for index, entry in enumerate(value):
                found += params(entry, f"{prefix}{key}.{index}.")
        elif value is not None:
            found.append(Param(f"{prefix}{key}", _cut(value if isinstance(value, str) else repr(value))))
    return found


def _cut(value: str) -> str:
    return value if len(value) <= PARAM_LENGTH else value[: PARAM_LENGTH - len(CUT)] + CUT


def row_batches(trial: StudyTrial, start: int, stop: int) -> Iterator[tuple[int, list[Metric]]]:
    """Metrics of the rows `start` to `stop` as batches that MLflow takes at once, each of whole rows.

    Yields the number of rows that are logged after a batch, and the batch. Each metric carries the
    time at which it was heard of: logged again, it is the same one.
    """
    batch: list[Metric] = []
    for index in range(start, stop):
        row, stamp = trial.rows[index], trial.stamps[index]
        metrics = [
            Metric(name, _loggable(value), stamp, int(row["epoch"]))
            for name, value in values_of(row).items()
            if name != "epoch"
        ]
        if batch and len(batch) + len(metrics) > BATCH:
            yield index, batch
            batch = []
        batch += metrics
    if batch:
        yield stop, batch


def closing_metrics(trial: StudyTrial) -> list[Metric]:
    """What a trial's facts count, and its best epoch; at times that are the same however often told."""
    stamp = int(trial.started * 1000)
    counts: dict[str, float] = {}
    if (facts := trial.facts) is not None:
        counts |= {name: facts[name] for name in COUNTS if name in facts}
        for name, value in facts["accounting"].items():
            if isinstance(value, int | float) and name not in COUNTS:
                counts[name] = value
    metrics = [Metric(name, _loggable(float(value)), stamp, 0) for name, value in counts.items()]
    if trial.status not in OPEN and (best := trial.best_row):
        epoch = int(best["epoch"])
        heard = trial.stamps[trial.rows.index(best)]
        accuracy = _loggable(best["validation_accuracy"])
        metrics.append(Metric("best_validation_accuracy", accuracy, heard, epoch))
        metrics.append(Metric("best_epoch", float(epoch), heard, epoch))
    return metrics


def _loggable(value: float) -> float:
    """As the record has it, where all that is not finite is one: SQL stores would make up a number."""
    return value if math.isfinite(value) else math.nan


def text_files(trial: StudyTrial) -> dict[str, bytes]:
    """A run's files by name, but for its network."""
    files = {}
    for name in JSON_FACTS:
        content = None if trial.facts is None else trial.facts[name]
        if content is not None:
            files[f"{name}.json"] = as_json(content)
    files[CONFIG_FILE] = as_json(replay_record(trial))
    return files | ({LOG_FILE: trial.log.encode()} if trial.log else {})


class ReplayRecord(TypedDict):
    """All that is needed to run a trial again and to compare, as JSON values.

    Hashes are None, plugins and machine empty, where the trial failed before there was anything.
    """

    config: dict[str, Any]
    identity: str
    status: Status
    epochs: int
    data_sha256: str | None
    theta0_sha256: str | None
    mask_sha256: str | None
    plugins: dict[str, str]
    machine: Machine | dict[str, Never]
    versions: dict[str, str]
    git_commit: str


def replay_record(trial: StudyTrial) -> ReplayRecord:
    """What `cops replay` reads."""
    facts = trial.facts
    return {
        "config": trial.config.model_dump(mode="json"),
        "identity": trial.identity,
        "status": trial.status,
        "epochs": len(trial.rows),
        "data_sha256": trial.data_sha256,
        "theta0_sha256": None if facts is None else facts["theta0_sha256"],
        "mask_sha256": None if facts is None else facts["mask_sha256"],
        "plugins": trial.plugins,
        "machine": {} if facts is None else facts["machine"],
        "versions": versions(),
        "git_commit": git_commit(),
    }


def as_json(content: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """A JSON file that a person can read."""
    return json.dumps(content, indent=1).encode()
