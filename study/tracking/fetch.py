"""What is read back from MLflow: a run's files, and its metrics as they were logged."""

from collections.abc import Iterable
from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cops_core.errors import InputError
from study.places import tracking
from study.tracking.connect import connect


def fetch(run_id: str, artifact: str, folder: Path, tracking_uri: str | None, home: Path) -> Path:
    """Copy one artifact of a run into `folder`; returns the copy.

    tracking_uri: None is the database of the home. Raises InputError if there is no such run, or if
    it has no such artifact.
    """
    client, uri = _client(tracking_uri, home)
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


def histories(
    run_id: str, names: Iterable[str], tracking_uri: str | None, home: Path
) -> dict[str, dict[int, float]]:
    """The values of a run's metrics by name and epoch, exactly as they were logged; NaN is NaN.

    A metric that the run does not have is empty.
    """
    client, _ = _client(tracking_uri, home)
    return {
        name: {metric.step: metric.value for metric in client.get_metric_history(run_id, name)}
        for name in names
    }


def _client(tracking_uri: str | None, home: Path) -> tuple[MlflowClient, str]:
    """A client and its URI; InputError if the home has no database, or the server does not answer."""
    if tracking_uri is None and not (home / "mlflow.db").is_file():
        raise InputError(f"no mlflow.db in {home}: name the right --home, or --tracking-uri")
    uri = tracking(home, tracking_uri)
    return connect(uri, home), uri
