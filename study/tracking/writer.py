"""MLflow: one parent run per study, one nested run per trial, written by the driver alone.

A single background thread writes, so that neither a slow server nor a slow disk holds up a trial;
rows that arrive meanwhile go out in one batch. What MLflow could not take is counted and said: the
study's records hold it all the same.
"""

import io
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

# MLflow reads these when it is imported: no telemetry, no advertising and no bars in the terminal.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_HTTP_REQUEST_TIMEOUT,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import (
    MLFLOW_GIT_COMMIT,
    MLFLOW_PARENT_RUN_ID,
    MLFLOW_RUN_NAME,
    MLFLOW_RUN_NOTE,
)

from cops_core.errors import InputError
from cops_core.plugins import Plugin
from study.observer import Observer
from study.provenance import git_commit, versions
from study.store import ARTIFACTS
from study.trial import StudyTrial

EXPERIMENT = "cops-study"
NETWORK_FILE = "network.safetensors"  # a trial's artefact among those of its run
CHECK_TIMEOUT_S = 5

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.WARNING)


def connect(tracking_uri: str, home: Path) -> MlflowClient:
    """A client of a store that answers; InputError if it does not.

    A new SQLite database is created here, once, under a lock: processes that open a new database at
    the same time corrupt it for good.
    """
    local = tracking_uri.startswith("sqlite:")
    try:
        if local:
            with FileLock(home / "mlflow.db.lock"):
                return _checked(tracking_uri)
        retries, timeout = MLFLOW_HTTP_REQUEST_MAX_RETRIES.get_raw(), MLFLOW_HTTP_REQUEST_TIMEOUT.get_raw()
        MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(0)
        MLFLOW_HTTP_REQUEST_TIMEOUT.set(CHECK_TIMEOUT_S)
        try:
            return _checked(tracking_uri)
        finally:
            _restore(MLFLOW_HTTP_REQUEST_MAX_RETRIES, retries)
            _restore(MLFLOW_HTTP_REQUEST_TIMEOUT, timeout)
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise InputError(
            f"MLflow at {tracking_uri} does not answer ({reason}): start the server, or leave --tracking-uri"
            " out to log into the home"
        ) from error


def _restore(variable: Any, value: str | None) -> None:
    if value is None:
        variable.unset()
    else:
        variable.set(value)


def _checked(tracking_uri: str) -> MlflowClient:
    client = MlflowClient(tracking_uri)
    client.search_experiments(max_results=1)
    return client


def experiment_id(client: MlflowClient, tracking_uri: str, home: Path) -> str:
    """The experiment that holds all studies, created if it is not there."""
    existing = client.get_experiment_by_name(EXPERIMENT)
    if existing is None:
        # Without it, artifacts beside a SQLite database would go to the current folder.
        location = (home / "artifacts").resolve().as_uri() if tracking_uri.startswith("sqlite:") else None
        try:
            return str(client.create_experiment(EXPERIMENT, artifact_location=location))
        except MlflowException:  # another launch created it in between
            existing = client.get_experiment_by_name(EXPERIMENT)
            if existing is None:
                raise
    return str(existing.experiment_id)


def fetch(run_id: str, artifact: str, folder: Path, tracking_uri: str | None, home: Path) -> Path:
    """Copy one artifact of a run into `folder`; returns the copy.

    tracking_uri: None is the database of the home. Raises InputError if there is no such run, or if
    it has no such artifact.
    """
    if tracking_uri is None and not (home / "mlflow.db").is_file():
        raise InputError(f"no mlflow.db in {home}: name the right --home, or --tracking-uri")
    uri = tracking_uri or f"sqlite:///{(home / 'mlflow.db').resolve()}"
    client = connect(uri, home)
    try:
        client.get_run(run_id)
    except MlflowException as error:
        raise InputError(
            f"no run {run_id} in MLflow at {uri}: name the right --home, or --tracking-uri"
        ) from error
    try:
        return Path(client.download_artifacts(run_id, artifact, str(folder)))
    except (MlflowException, OSError) as error:
        raise InputError(
            f"run {run_id} has no {artifact}: name a trial's run, and one that has ended"
        ) from error


class MlflowWriter(Observer):
    """Writes a study's runs as the study goes on."""

    def __init__(
        self,
        client: MlflowClient,
        experiment: str,
        name: str,
        settings: Mapping[str, Any],
        plugins: Iterable[Plugin] = (),
        read: Callable[[str], bytes] | None = None,
    ) -> None:
        """plugins: those that are files are kept with the parent run. read: a file of the study's."""
        self.client = client
        self._read = read
        self._late: dict[str, str] = {}  # of stopped trials, whose workers write after the driver has heard
        self.experiment = experiment
        self.study = name
        self.errors: list[Exception] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mlflow")
        self._runs: dict[int, str] = {}
        self._rows: dict[int, list[tuple[int, dict[str, float]]]] = {}
        self._flushing: dict[int, Future[None]] = {}
        self.parent = self._create_parent(settings)
        for plugin in plugins:
            if plugin.source is not None:
                self.client.log_text(self.parent, plugin.source, f"plugins/{plugin.name}.py")

    def _create_parent(self, settings: Mapping[str, Any]) -> str:
        note = f"Study `{self.study}` of the space `{settings['space']}`. Its trials are the nested runs."
        run = self.client.create_run(
            self.experiment,
            tags={MLFLOW_RUN_NAME: self.study, MLFLOW_RUN_NOTE: note, "study": self.study, **_provenance()},
        )
        parent = str(run.info.run_id)
        self.client.log_batch(parent, params=_params(settings))
        self.client.log_dict(parent, dict(settings), "study.json")
        return parent

    def started(self, trial: StudyTrial) -> None:
        """Open the trial's run, with its parameters and tags."""
        self._submit(self._create, trial)

    def reported(self, trial: StudyTrial, row: dict[str, float]) -> None:
        """Queue an epoch's metrics."""
        self._rows.setdefault(trial.number, []).append((int(time.time() * 1000), row))
        waiting = self._flushing.get(trial.number)
        if waiting is None or waiting.done():
            self._flushing[trial.number] = self._submit(self._flush, trial)

    def ended(self, trial: StudyTrial) -> None:
        """Write what is left of a trial, and close its run."""
        self._submit(self._finish, trial)

    def close(self, complete: bool, tables: Mapping[str, bytes]) -> None:
        """Wait until everything is written, attach the tables (by file name), close the parent run."""
        self._submit(self._finish_parent, complete, dict(tables))
        self._thread.shutdown(wait=True)

    def _submit(self, job: Callable[..., None], *arguments: Any) -> "Future[None]":
        return self._thread.submit(self._guarded, job, *arguments)

    def _guarded(self, job: Callable[..., None], *arguments: Any) -> None:
        try:
            job(*arguments)
        except Exception as error:  # whatever MLflow raises must not end the study; it is said at its end
            self.errors.append(error)

    def _create(self, trial: StudyTrial) -> None:
        selection = trial.config.selection
        controls = () if selection is None else selection.controls
        tags = {
            MLFLOW_RUN_NAME: trial.title,
            MLFLOW_PARENT_RUN_ID: self.parent,
            "study": self.study,
            "trial": trial.name,
            "method": trial.config.method,
            "arm": trial.config.arm,
            "target": "" if selection is None else selection.target,
            "control": ", ".join(control.score for control in controls),
            "seed": str(trial.config.seed),
            "rate": "" if trial.config.density is None else str(1 - trial.config.density),
            "anchor": str(trial.anchor).lower(),
            **_provenance(),
        }
        run = self.client.create_run(self.experiment, start_time=int(trial.started * 1000), tags=tags)
        run_id = self._runs[trial.number] = str(run.info.run_id)
        self.client.log_batch(run_id, params=_params(trial.config.model_dump(mode="json")))

    def _flush(self, trial: StudyTrial) -> None:
        rows = self._rows.pop(trial.number, [])
        metrics = [
            Metric(name, value, stamp, int(row["epoch"]))
            for stamp, row in rows
            for name, value in row.items()
            if name != "epoch"
        ]
        for start in range(0, len(metrics), 1000):  # MLflow's limit for one batch
            self.client.log_batch(self._runs[trial.number], metrics=metrics[start : start + 1000])

    def _finish(self, trial: StudyTrial) -> None:
        self._flush(trial)
        run_id = self._runs[trial.number]
        stamp = int((trial.ended or time.time()) * 1000)
        counts = ("density", "trained_parameters", "parameters", "compression")
        self.client.log_batch(
            run_id,
            metrics=[
                Metric(name, float(trial.facts[name]), stamp, 0) for name in counts if name in trial.facts
            ]
            + [
                Metric(name, float(value), stamp, 0)
                for name, value in trial.facts.get("accounting", {}).items()
                if isinstance(value, int | float) and name not in counts
            ],
            tags=[
                RunTag("status", trial.status),
                RunTag("node", trial.node),
                *([RunTag("reason", trial.reason)] if trial.reason else []),
                *(RunTag(f"plugin.{name}", sha) for name, sha in trial.facts.get("plugins", {}).items()),
            ],
        )
        for name in ("layer_densities", "manifest", "connectivity", "accounting"):
            if trial.facts.get(name) is not None:
                self.client.log_dict(run_id, trial.facts[name], f"{name}.json")
        if "artifact" in trial.facts:
            self._log_network(run_id, trial.facts["artifact"]["file"])
        elif trial.rows:
            self._late[run_id] = f"{ARTIFACTS}/{trial.name}.safetensors"
        states = {"failed": "FAILED", "interrupted": "KILLED"}
        self.client.set_terminated(run_id, states.get(trial.status, "FINISHED"), end_time=stamp)

    def _log_network(self, run_id: str, file: str) -> None:
        if self._read is not None:
            self.client.log_stream(run_id, io.BytesIO(self._read(file)), NETWORK_FILE)

    def _finish_parent(self, complete: bool, tables: dict[str, bytes]) -> None:
        for run_id, file in self._late.items():
            with suppress(FileNotFoundError):  # its worker was killed with it
                self._log_network(run_id, file)
        for name, content in tables.items():
            self.client.log_stream(self.parent, io.BytesIO(content), name)
        self.client.set_terminated(self.parent, "FINISHED" if complete else "KILLED")


def _params(values: Mapping[str, Any], prefix: str = "") -> list[Param]:
    """Nested values as MLflow parameters with dotted names."""
    params = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            params += _params(value, f"{prefix}{key}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for index, entry in enumerate(value):
                params += _params(entry, f"{prefix}{key}.{index}.")
        elif value is not None:
            params.append(Param(f"{prefix}{key}", value if isinstance(value, str) else repr(value)))
    return params


def _provenance() -> dict[str, str]:
    tags = {f"version.{library}": number for library, number in versions().items()}
    return {**tags, MLFLOW_GIT_COMMIT: git_commit()}
