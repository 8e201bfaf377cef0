"""`cops close`: finds the study, judges it on the test part, and shows the outcome in MLflow too."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from study.console import print_line
from study.networks.close import close_study
from study.places import storage_uri, tracking
from study.records.evaluations import read_evaluations
from study.records.store import StudyStore, find_study
from study.settings import parse_settings
from study.tracking.evaluations import log_evaluations
from study.tracking.find import study_tags


def judge(
    name: str,
    *,
    top: int,
    home: Path,
    storage: str | None,
    tracking_uri: str | None,
    data_root: Path | None,
    extensions: Mapping[str, str],
    console: Console,
) -> None:
    """Judge the `top` best of each rate on the test part, and close the study.

    tracking_uri, data_root: None is where the study has them. A look at the test part counts whether
    or not MLflow can be told of it. Raises InputError as `close_study` does.
    """
    store = find_study(storage_uri(home, storage), name)
    record = store.record()
    settings = parse_settings(record["settings"])
    judged = close_study(
        store, top=top, data_root=data_root or settings.data_root, extensions=extensions, console=console
    )
    problem = log_evaluations(
        tracking(home, tracking_uri or settings.tracking_uri),
        home,
        study_tags(name, record["study_id"]),
        {one["trial"]: one["test_accuracy"] for one in judged},
        read_evaluations(store),
    )
    if problem:
        print_line(console, f"MLflow was not updated ({problem}); everything is in {_place(store)}", "yellow")
    print_line(console, f"study {name} is closed; written to {_place(store)}")


def _place(store: StudyStore) -> str:
    return f"{store.path}/closed.json"
