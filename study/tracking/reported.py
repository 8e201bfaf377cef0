"""A study's report, with the study's run in MLflow."""

from collections.abc import Mapping
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from study.places import SQLITE
from study.tracking.connect import connect, experiment_id
from study.tracking.content import TAG_LENGTH
from study.tracking.describe import placed
from study.tracking.find import study_run
from study.tracking.parent import upload
from study.tracking.refusal import reason


def log_report(
    tracking_uri: str, home: Path, tags: Mapping[str, str], files: Mapping[str, bytes], note: str
) -> str:
    """Attach the files of a report, by their paths, to the run of the study that is known by `tags`.

    note: the run's description, as Markdown with its own files as `artifact:PATH`.

    Returns why MLflow could not be told, in one line; empty if it was. No database is created for it.
    """
    database = tracking_uri.removeprefix(SQLITE)
    if database != tracking_uri and not Path(database).is_file():
        return f"there is no {database}"
    try:
        client = connect(tracking_uri)
        experiment = experiment_id(client, tracking_uri, home)
        found = study_run(client, experiment, tags)
        if found is None:
            return "it has no run of this study"
        run_id = found.info.run_id
        upload(client, run_id, files)
        client.set_tag(run_id, MLFLOW_RUN_NOTE, placed(note, experiment, run_id)[:TAG_LENGTH])
    except Exception as error:  # the report is written already
        return reason(error)
    return ""
