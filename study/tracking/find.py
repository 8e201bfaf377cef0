"""Runs as they are found again: by their tags."""

from collections.abc import Iterator, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

PAGE = 1000
STUDY = "study"  # the tag `kind` of a study's own run: MLflow cannot be asked for runs without a parent


def study_tags(name: str, study_id: str) -> dict[str, str]:
    """What all runs of a study carry, and no others: a name may be used again in another home."""
    return {"study": name, "study_id": study_id}


def tagged_runs(
    client: MlflowClient, experiments: Sequence[str], tags: Mapping[str, str], page: int = PAGE
) -> Iterator[Run]:
    """The runs that have all of these tags, the latest first; `page` of them at a time."""
    wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
    token = None
    while True:
        found = client.search_runs(list(experiments), wanted, max_results=page, page_token=token)
        yield from found
        token = found.token
        if not token:
            return


def study_run(client: MlflowClient, experiment: str, tags: Mapping[str, str]) -> Run | None:
    """The latest run of the study that is known by `tags`, and of none of its trials."""
    found = tagged_runs(client, [experiment], {**tags, "kind": STUDY})
    return next((run for run in found if MLFLOW_PARENT_RUN_ID not in run.data.tags), None)
