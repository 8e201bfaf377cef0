"""Finds runs by their tags."""

from collections.abc import Iterator, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

PAGE = 1000
STUDY = "study"  # the tag `kind` of a study's own run: MLflow cannot search for runs without a parent


def study_tags(name: str, study_id: str) -> dict[str, str]:
    """The tags that identify all runs of a study: another home may have a study of the same name."""
    return {"study": name, "study_id": study_id}


def tagged_runs(
    client: MlflowClient, experiments: Sequence[str], tags: Mapping[str, str], page: int = PAGE
) -> Iterator[Run]:
    """Find the runs that have all of these tags, the latest first.

    Args:
        client: A client of MLflow.
        experiments: The ids of the experiments that are searched.
        tags: The values by key.
        page: How many runs one request asks for.
    """
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    token = None
    while True:
        found = client.search_runs(list(experiments), wanted, max_results=page, page_token=token)
        yield from found
        token = found.token
        if not token:
            return


def study_run(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> Run | None:
    """Find the run of a study itself, not of its trials.

    Args:
        client: A client of MLflow.
        experiment: The id of the experiment.
        tags: The tags that identify the study, see `study_tags`.

    Returns:
        The latest such run; None if there is none.
    """
    found = tagged_runs(client, [experiment], {**tags, "kind": STUDY})
    return next((run for run in found if MLFLOW_PARENT_RUN_ID not in run.data.tags), None)
