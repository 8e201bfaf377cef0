"""The connection to MLflow: a client of a store that answers, and the experiment with all studies."""

import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment
from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_HTTP_REQUEST_TIMEOUT,
)
from mlflow.exceptions import MlflowException

from cops_core.errors import InputError, described
from cops_core.folders import check_writable
from study.places import SQLITE, tracking
from study.tracking.new_database import missing_database, new_database
from study.tracking.saved_views import address, missing_tags

EXPERIMENT = "cops-study"
CHECK_TIMEOUT_S = 5
# How MLflow says that a database has the tables of another version.
OUTDATED = "out-of-date database schema"

for _name in ("mlflow", "alembic"):
    logging.getLogger(_name).setLevel(logging.WARNING)
# It prints a traceback for each request to a locked or missing database, and also raises the error.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def connect(tracking_uri: str) -> MlflowClient:
    """Return a client of a store. A SQLite database that does not exist is created.

    Raises:
        InputError: The store does not answer, or cannot be created.
    """
    _check_answers(tracking_uri)
    if (new := new_database(tracking_uri)) is not None:
        new.place()
    return MlflowClient(tracking_uri)


def check_store(tracking_uri: str) -> None:
    """Check within seconds that studies can be logged to a store. Nothing is written.

    Raises:
        InputError: The store does not answer or cannot be created, or its experiment was deleted.
    """
    _check_answers(tracking_uri)
    if missing_database(tracking_uri) is None:
        found = MlflowClient(tracking_uri).get_experiment_by_name(EXPERIMENT)
        if found is not None:
            _check_active(found, tracking_uri)


def _check_answers(tracking_uri: str) -> None:
    """Raise InputError unless the store answers, or is a SQLite database that can be created."""
    try:
        if (database := missing_database(tracking_uri)) is None:
            _ask(tracking_uri)
        else:
            check_writable(database.parent)
    except Exception as error:
        if OUTDATED in str(error):
            raise InputError(
                f"the MLflow database at {tracking_uri} was made by another version of MLflow: copy its file,"
                f" then run `mlflow db upgrade {quote(tracking_uri)}`"
            ) from error
        advice = (
            "check the file, or choose another with --tracking-uri"
            if tracking_uri.startswith(SQLITE)
            else "start the server, or omit --tracking-uri to log into the home"
        )
        raise InputError(
            f"MLflow at {tracking_uri} does not answer ({described(error)}): {advice}"
        ) from error


def _ask(tracking_uri: str) -> None:
    """Make a request with a shorter timeout than the later ones have."""
    retries, timeout = MLFLOW_HTTP_REQUEST_MAX_RETRIES.get_raw(), MLFLOW_HTTP_REQUEST_TIMEOUT.get_raw()
    MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(0)
    MLFLOW_HTTP_REQUEST_TIMEOUT.set(CHECK_TIMEOUT_S)
    try:
        MlflowClient(tracking_uri).search_experiments(max_results=1)
    finally:
        _restore(MLFLOW_HTTP_REQUEST_MAX_RETRIES, retries)
        _restore(MLFLOW_HTTP_REQUEST_TIMEOUT, timeout)


def _restore(variable: Any, value: str | None) -> None:
    if value is None:
        variable.unset()
    else:
        variable.set(value)


def browse(home: Path) -> str:
    """Return the page of MLflow's UI that shows a home's studies, below the server's root.

    Saved views that are missing are added.

    Raises:
        InputError: The database does not answer.
    """
    uri = tracking(home, None)
    try:
        return address(experiment_id(connect(uri), uri, home))
    except DeletedExperimentError:
        return "/"


class DeletedExperimentError(InputError):
    """The experiment of all studies was deleted."""


def experiment_id(client: MlflowClient, tracking_uri: str, home: Path) -> str:
    """Return the id of the experiment with all studies. It is created if it does not exist.

    It has the saved views and the description of `study.tracking.saved_views`.

    Args:
        client: A client of the store.
        tracking_uri: The URI of the store.
        home: Contains the artifacts of a SQLite database.

    Raises:
        DeletedExperimentError: It was deleted. MLflow keeps its name, and accepts no run.
    """
    existing = client.get_experiment_by_name(EXPERIMENT)
    if existing is None:
        # Without a location, MLflow would write the artifacts of a SQLite database to the current folder.
        location = (home / "artifacts").resolve().as_uri() if tracking_uri.startswith("sqlite:") else None
        try:
            created = str(client.create_experiment(EXPERIMENT, artifact_location=location))
            _add_tags(client, created, {})
            return created
        except MlflowException:  # another launch has created it in the meantime
            existing = client.get_experiment_by_name(EXPERIMENT)
            if existing is None:
                raise
    _check_active(existing, tracking_uri)
    _add_tags(client, str(existing.experiment_id), existing.tags)
    return str(existing.experiment_id)


def _check_active(experiment: Experiment, tracking_uri: str) -> None:
    """Raise DeletedExperimentError if the experiment was deleted."""
    if experiment.lifecycle_stage != "active":
        raise DeletedExperimentError(
            f"the experiment {EXPERIMENT!r} in MLflow at {tracking_uri} was deleted: run"
            f" `MLFLOW_TRACKING_URI={quote(tracking_uri)} mlflow experiments restore"
            f" -x {experiment.experiment_id}`"
        )


def _add_tags(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> None:
    """Add the description and the saved views that are missing. tags: those of the experiment."""
    with suppress(MlflowException):  # a user may be allowed to log runs but not to edit the experiment
        for key, value in missing_tags(tags).items():
            client.set_experiment_tag(experiment, key, value)
