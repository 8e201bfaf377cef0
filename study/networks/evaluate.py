"""`cops close`: evaluates a study on the test images, and sends the results to MLflow."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from cops_core.errors import InputError
from study.console import print_line
from study.networks.close import close_study
from study.places import storage_uri, tracking
from study.records.evaluations import read_evaluations
from study.records.store import StudyStore, find_study
from study.settings import parse_settings
from study.tracking.evaluations import log_evaluations
from study.tracking.find import study_tags


def evaluate_study(
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
    """Evaluate the best configurations of a study on the test images, and close it.

    The evaluation counts whether or not MLflow can receive it.

    Args:
        name: The study's.
        top: How many of the best configurations at each rate are evaluated.
        home: Of the study.
        storage: Where studies are; None is the folder in the home.
        tracking_uri: MLflow; None is the study's own.
        data_root: The folder for downloads; None is the study's own.
        extensions: Names and SHA-256 of the loaded plugins.
        console: Receives the results.

    Raises:
        InputError: There is no such study, it compares methods, or `close_study` refuses it.
    """
    store = find_study(storage_uri(home, storage), name)
    record = store.record()
    settings = parse_settings(record["settings"])
    if settings.question.strata:
        raise InputError(
            f"study {name!r} compares methods: it evaluates on test what it chose, by itself, at its end. See"
            f" `cops status {name}`; `cops resume {name}` runs it to its end"
        )
    if settings.kind == "ablate":
        raise InputError(
            f"study {name!r} has evaluated all of its trials on test by itself: see `cops status {name}`"
        )
    results = close_study(
        store, top=top, data_root=data_root or settings.data_root, extensions=extensions, console=console
    )
    problem = log_evaluations(
        tracking(home, tracking_uri or settings.tracking_uri),
        home,
        study_tags(name, record["study_id"]),
        {one["trial"]: one["test_accuracy"] for one in results},
        read_evaluations(store),
    )
    if problem:
        print_line(
            console, f"MLflow did not receive the results ({problem}): they are in {_place(store)}", "yellow"
        )
    print_line(console, f"study {name} is closed; its evaluation is in {_place(store)}")


def _place(store: StudyStore) -> str:
    return f"{store.path}/closed.json"
