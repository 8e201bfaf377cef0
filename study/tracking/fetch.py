"""What is read back from MLflow: a run's files, and its metrics as they were logged."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cops_core.errors import InputError, did_you_mean, near_path
from study.places import tracking
from study.tracking.connect import connect
from study.tracking.find import tagged_runs

NEWEST = 1000  # runs among which a misspelt one is looked for


def fetch(run_id: str, artifact: str, tracking_uri: str | None, home: Path) -> bytes:
    """The content of one artifact of a run.

    tracking_uri: None is the database of the home. Raises InputError if there is no such run, or if
    it has no such artifact.
    """
    client, _ = _client(tracking_uri, home)
    fetch_tags(run_id, tracking_uri, home)
    try:
        with TemporaryDirectory() as folder:
            return Path(client.download_artifacts(run_id, artifact, folder)).read_bytes()
    except (MlflowException, OSError) as error:
        raise InputError(
            f"run {run_id} has no {artifact}: name a trial's run, and one that has ended"
        ) from error


def fetch_tags(run_id: str, tracking_uri: str | None, home: Path) -> dict[str, str]:
    """A run's tags; arguments and errors as for `fetch`."""
    client, uri = _client(tracking_uri, home)
    try:
        found: dict[str, str] = client.get_run(run_id).data.tags
    except MlflowException as error:
        advice = did_you_mean(run_id, _run_ids(client)) or ": name the right --home, or --tracking-uri"
        raise InputError(f"no run {run_id} in MLflow at {uri}{advice}") from error
    return found


def run_id_of(study: Mapping[str, str], trial: str, tracking_uri: str | None, home: Path) -> str | None:
    """The id of a trial's run; None if MLflow has none.

    study: the tags by which a study is known. trial: its name. InputError if MLflow does not answer.
    """
    client, _ = _client(tracking_uri, home)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = next(tagged_runs(client, experiments, {**study, "trial": trial}, page=1), None)
    return None if found is None else str(found.info.run_id)


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


def _run_ids(client: MlflowClient) -> list[str]:
    """Of the newest runs; none if MLflow cannot say."""
    try:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return [run.info.run_id for run in client.search_runs(experiments, max_results=NEWEST)]
    except MlflowException:
        return []


def _client(tracking_uri: str | None, home: Path) -> tuple[MlflowClient, str]:
    """A client and its URI; InputError if the home has no database, or the server does not answer."""
    if tracking_uri is None and not (home / "mlflow.db").is_file():
        advice = ("" if home.exists() else near_path(home)) or ": name the right --home, or --tracking-uri"
        raise InputError(f"no mlflow.db in {home}{advice}")
    uri = tracking(home, tracking_uri)
    return connect(uri), uri
