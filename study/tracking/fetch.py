"""Reads a run's files, tags and metrics from MLflow."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cops_core.errors import InputError, did_you_mean, near_path
from study.places import tracking
from study.tracking.connect import connect
from study.tracking.find import tagged_runs

NEWEST = 1000  # runs among which the nearest to a misspelt id is found


def fetch(run_id: str, artifact: str, tracking_uri: str | None, home: Path) -> bytes:
    """Read one artifact of a run.

    Args:
        run_id: The id of the run.
        artifact: The path of the artifact in the run.
        tracking_uri: Where MLflow is; None for the database of the home.
        home: The study's home.

    Raises:
        InputError: The run does not exist, or has no such artifact.
    """
    client, _ = _client(tracking_uri, home)
    fetch_tags(run_id, tracking_uri, home)
    try:
        with TemporaryDirectory() as folder:
            return Path(client.download_artifacts(run_id, artifact, folder)).read_bytes()
    except (MlflowException, OSError) as error:
        raise InputError(
            f"run {run_id} has no {artifact}: write the id of a trial's run that has ended"
        ) from error


def fetch_tags(run_id: str, tracking_uri: str | None, home: Path) -> dict[str, str]:
    """Read a run's tags. Arguments and errors are those of `fetch`."""
    client, uri = _client(tracking_uri, home)
    try:
        found: dict[str, str] = client.get_run(run_id).data.tags
    except MlflowException as error:
        advice = did_you_mean(run_id, _run_ids(client)) or ": set the right --home or --tracking-uri"
        raise InputError(f"no run {run_id} in MLflow at {uri}{advice}") from error
    return found


def run_id_of(study: Mapping[str, str], trial: str, tracking_uri: str | None, home: Path) -> str | None:
    """Find the id of a trial's run.

    Args:
        study: The tags that identify the study, see `study_tags`.
        trial: The trial's name.
        tracking_uri: Where MLflow is; None for the database of the home.
        home: The study's home.

    Returns:
        The id, or None if MLflow has no run of this trial.

    Raises:
        InputError: MLflow does not answer.
    """
    client, _ = _client(tracking_uri, home)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = next(tagged_runs(client, experiments, {**study, "trial": trial}, page=1), None)
    return None if found is None else str(found.info.run_id)


def histories(
    run_id: str, names: Iterable[str], tracking_uri: str | None, home: Path
) -> dict[str, dict[int, float]]:
    """Read the values of a run's metrics, exactly as they were logged.

    Args:
        run_id: The id of the run.
        names: The names of the metrics.
        tracking_uri: Where MLflow is; None for the database of the home.
        home: The study's home.

    Returns:
        Values by metric and epoch; empty for a metric that the run does not have.
    """
    client, _ = _client(tracking_uri, home)
    return {
        name: {metric.step: metric.value for metric in client.get_metric_history(run_id, name)}
        for name in names
    }


def _run_ids(client: MlflowClient) -> list[str]:
    """The ids of the newest runs; empty if MLflow does not answer."""
    try:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return [run.info.run_id for run in client.search_runs(experiments, max_results=NEWEST)]
    except MlflowException:
        return []


def _client(tracking_uri: str | None, home: Path) -> tuple[MlflowClient, str]:
    """A client and its URI. Raise InputError if the home has no database, or the server does not answer."""
    if tracking_uri is None and not (home / "mlflow.db").is_file():
        advice = ("" if home.exists() else near_path(home)) or ": set the right --home or --tracking-uri"
        raise InputError(f"no mlflow.db in {home}{advice}")
    uri = tracking(home, tracking_uri)
    return connect(uri), uri
