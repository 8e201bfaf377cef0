"""A study's report in the study's MLflow run."""

from collections.abc import Mapping
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from study.places import SQLITE, sqlite_path
from study.tracking.connect import connect, experiment_id
from study.tracking.content import TAG_LENGTH
from study.tracking.describe import link_files
from study.tracking.find import study_run
from study.tracking.parent import upload
from study.tracking.refusal import reason


def log_report(
    tracking_uri: str, home: Path, tags: Mapping[str, str], files: Mapping[str, bytes], note: str
) -> str:
    """Attach the files of a report to the study's run. A missing database is not created.

    Args:
        tracking_uri: Where MLflow is.
        home: The study's home.
        tags: The tags that identify the study, see `study_tags`.
        files: The files by their paths.
        note: The run's description, Markdown with its own files as `artifact:PATH`.

    Returns:
        Why MLflow could not be updated, in one line; empty if it was.
    """
    database = sqlite_path(tracking_uri)
    if tracking_uri.startswith(SQLITE) and not database.is_file():
        return f"{database} does not exist"
    try:
        client = connect(tracking_uri)
        experiment = experiment_id(client, tracking_uri, home)
        found = study_run(client, experiment, tags)
        if found is None:
            return "it has no run of this study"
        run_id = found.info.run_id
        upload(client, run_id, files)
        client.set_tag(run_id, MLFLOW_RUN_NOTE, link_files(note, experiment, run_id)[:TAG_LENGTH])
    except Exception as error:  # the report itself is already written
        return reason(error)
    return ""
