"""The content of a trial's run: its record as MLflow's tags, parameters, metrics and files."""

import hashlib
import json
import math
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Never, NotRequired, TypedDict, cast, get_args

from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
)

from cops_core.config import Selection
from cops_core.facts import Machine, values_of
from cops_core.scores import kind_of
from study.provenance import git_commit, versions
from study.records.trial import OPEN, Status, StudyTrial
from study.tracking.describe import JUDGING, opening_note, run_name

CONFIG_FILE = "config.json"  # everything that a replay needs
LOG_FILE = "log.txt"

# Every kind of result is FINISHED; the tag `status` says which one.
END_STATES: Mapping[Status, str] = {
    "running": "RUNNING",
    "interrupted": "KILLED",
    "finished": "FINISHED",
    "stopped": "FINISHED",
    "diverged": "FINISHED",
    "collapsed": "FINISHED",
    "infeasible": "FINISHED",
    "rejected": "FINISHED",
    "failed": "FAILED",
    "out_of_memory": "FAILED",
    "killed": "FAILED",
}
# Facts that become metrics, and facts that become files of a run.
Count = Literal["density", "trained_parameters", "parameters", "compression", "test_accuracy"]
JsonFact = Literal["layer_densities", "manifest", "connectivity", "final_connectivity", "accounting"]
COUNTS: tuple[Count, ...] = get_args(Count)
JSON_FACTS: tuple[JsonFact, ...] = get_args(JsonFact)

# MLflow's limits, in characters and in metrics. Older servers accept tags of 5000 characters only.
PARAM_LENGTH = 6000
TAG_LENGTH = 5000
BATCH = 1000
NAME_LENGTH = 250
CUT = f" ... (cut, see {CONFIG_FILE} for all of it)"


def opening_tags(study: Mapping[str, str], parent: str, trial: StudyTrial) -> dict[str, str]:
    """Tags of a trial that starts.

    A trial on a fresh seed of what validation chose has the tag `stage`, and as `judges` the number of the
    configuration that was chosen.

    Args:
        study: The tags that identify the study, see `study_tags`.
        parent: The id of the study's run.
        trial: The trial.
    """
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
    if trial.judges is not None:
        tags |= {"stage": JUDGING, "judges": str(trial.judges)}
    return tags | ({"reused_from": trial.reused_from} if trial.reused_from else {})


def method_tags(trial: StudyTrial) -> dict[str, str]:
    """Tags to filter and to group by, and the run's name."""
    selection, rate = trial.config.selection, trial.freezing_rate
    controls = () if selection is None else selection.controls
    return {
        MLFLOW_RUN_NAME: run_name(trial),
        "title": trial.title,
        "method": trial.method,
        "arm": "" if trial.rejected else trial.config.arm,
        "target": "" if selection is None else kind_of(selection.target),
        "control": ", ".join(kind_of(control.score) for control in controls),
        "level": ", ".join(f"{control.level:.3g}" for control in controls),
        **selection_tags(selection),
        "rate": "" if rate is None else str(rate),
    }


def selection_tags(selection: Selection | None) -> dict[str, str]:
    """Tags of what few selections have; empty where a selection does not have it."""
    if selection is None:
        return dict.fromkeys(("combine", "floor", "batches", "temperature", "steps"), "")
    temperature = selection.temperature_used
    return {
        "combine": selection.combine if selection.controls else "",
        "floor": "" if selection.floor is None else str(selection.floor),
        "batches": str(selection.batches),
        "temperature": "" if temperature is None else f"{temperature:g}",
        "steps": "" if selection.steps_used is None else str(selection.steps_used),
    }


def closing_tags(trial: StudyTrial, rows: str, note: str) -> list[RunTag]:
    """Tags of a trial that has ended.

    Args:
        trial: The trial.
        rows: The number of logged epochs; empty if MLflow refused a part of the trial.
        note: The run's description, Markdown.
    """
    tags = {"status": trial.status, "node": trial.node, "reason": trial.reason, "rows": rows}
    tags[MLFLOW_RUN_NOTE] = note
    if trial.reused_from:
        tags["reused_from"] = trial.reused_from
    tags |= {f"plugin.{name}": sha for name, sha in trial.plugins.items()}
    return [RunTag(key, value[:TAG_LENGTH]) for key, value in tags.items()]


def provenance() -> dict[str, str]:
    """Tags with the versions and the commit of the running code."""
    tags = {f"version.{library}": number for library, number in versions().items()}
    return {**tags, MLFLOW_GIT_COMMIT: git_commit()}


def params(values: Mapping[str, Any], prefix: str = "") -> list[Param]:
    """Nested values as MLflow parameters with dotted names. A value that is too long for MLflow is cut."""
    found: list[Param] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += params(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for index, entry in enumerate(value):
                found += params(entry, f"{prefix}{key}.{index}.")
        elif value is not None:
            found.append(
                Param(accepted_name(f"{prefix}{key}"), _cut(value if isinstance(value, str) else repr(value)))
            )
    return found


def _cut(value: str) -> str:
    return value if len(value) <= PARAM_LENGTH else value[: PARAM_LENGTH - len(CUT)] + CUT


def row_batches(trial: StudyTrial, start: int, stop: int) -> Iterator[tuple[int, list[Metric]]]:
    """Metrics of a trial's epochs in batches, each small enough for one request to MLflow.

    A batch has complete rows. Each metric has the time at which the driver received it: if it is logged
    again, MLflow has no second point.

    Args:
        trial: The trial.
        start: The first row.
        stop: The row after the last one.

    Yields:
        The number of rows that are logged after a batch, and the batch.
    """
    batch: list[Metric] = []
    for index in range(start, stop):
        row, stamp = trial.rows[index], trial.stamps[index]
        metrics = [
            Metric(accepted_name(name), _loggable(value), stamp, int(row["epoch"]))
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
    """A trial's counts, and its best epoch.

    Their times depend on the record alone: if they are logged again, MLflow has no second point.
    """
    stamp = int(trial.started * 1000)
    counts: dict[str, float] = {}
    if (facts := trial.facts) is not None:
        counts |= {name: facts[name] for name in COUNTS if name in facts}
        for name, value in facts["accounting"].items():
            if isinstance(value, int | float) and name not in COUNTS:
                counts[name] = value
        if "before_mask" in facts:
            before = cast(Mapping[str, float], facts["before_mask"])
            counts |= {f"{name}_before_mask": value for name, value in before.items()}
    metrics = [Metric(name, _loggable(float(value)), stamp, 0) for name, value in counts.items()]
    if trial.status not in OPEN and (best := trial.best_row):
        epoch = int(best["epoch"])
        received = trial.stamps[trial.rows.index(best)]
        value = _loggable(trial.value_in(best))
        metrics.append(Metric(f"best_{trial.measure.name}", value, received, epoch))
        metrics.append(Metric("best_epoch", float(epoch), received, epoch))
    return metrics


def accepted_name(name: str) -> str:
    """A name that MLflow accepts for a metric or a parameter. A layer's name may have any characters.

    Args:
        name: The name in the record, e.g. `conv(3x3)+bias`.

    Returns:
        The same name if MLflow accepts it; else one with `_` for the other characters, and a few digits by
        which it differs from those of similar names.
    """
    plain = re.sub(r"[^A-Za-z0-9_.\-/ :]", "_", name)
    if posixpath.normpath(plain) != plain or plain.startswith((".", "/")):  # it may become a file's name
        plain = plain.replace("/", "_")
    if plain == name and len(name) <= NAME_LENGTH:
        return name
    return f"{plain[: NAME_LENGTH - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _loggable(value: float) -> float:
    """The value, or NaN for infinity: SQL stores would replace an infinity with a number."""
    return value if math.isfinite(value) else math.nan


def text_files(trial: StudyTrial) -> dict[str, bytes]:
    """A run's files by name, without its network."""
    files = {}
    for name in JSON_FACTS:
        content = None if trial.facts is None else trial.facts.get(name)
        if content is not None:
            files[f"{name}.json"] = as_json(content)
    files[CONFIG_FILE] = as_json(replay_record(trial))
    return files | ({LOG_FILE: trial.log.encode()} if trial.log else {})


class ReplayRecord(TypedDict):
    """Everything that is needed to run a trial again and to compare, as JSON values.

    If the trial failed before it had any facts, its hashes are None, and plugins and machine are empty. Only
    a trial whose mask changes during the training has a `final_mask_sha256`.
    """

    config: dict[str, Any]
    identity: str
    status: Status
    epochs: int
    data_sha256: str | None
    theta0_sha256: str | None
    mask_sha256: str | None
    final_mask_sha256: NotRequired[str]
    plugins: dict[str, str]
    machine: Machine | dict[str, Never]
    versions: dict[str, str]
    git_commit: str


def replay_record(trial: StudyTrial) -> ReplayRecord:
    """The record of a trial for `cops replay`."""
    facts = trial.facts
    record: ReplayRecord = {
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
    if facts is not None and "final_mask_sha256" in facts:
        record["final_mask_sha256"] = facts["final_mask_sha256"]
    return record


def as_json(content: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Content as a readable JSON file, UTF-8."""
    return json.dumps(content, indent=1).encode()
