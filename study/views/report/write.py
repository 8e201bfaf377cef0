"""`cops report`: a study's report in a folder, and with the study's run in MLflow."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from cops_core.errors import InputError
from cops_core.whole_file import write_whole
from study.console import print_line
from study.places import storage_uri, tracking
from study.records.store import find_study
from study.tracking.describe import study_note
from study.tracking.find import study_tags
from study.tracking.report import log_report
from study.views.report.content import gather
from study.views.report.files import FOLDER, PAGE, description, key_figure, report_files

PARTS = ("figures", "tables")  # the folders of a report beside its page


def write_report(
    name: str,
    out: Path | None,
    *,
    home: Path,
    storage: str | None,
    tracking_uri: str | None,
    console: Console,
) -> Path:
    """Write a study's report, and log it to the study's run in MLflow; returns the page.

    out: its folder; None is `HOME/reports/NAME`. A report that is there is written anew.
    Raises InputError if there is no such study, or if `out` holds something else.
    """
    store = find_study(storage_uri(home, storage), name)
    folder = home / "reports" / name if out is None else out
    check_folder(folder)
    record = store.record()
    with console.status("drawing"):
        report = gather(store)
        files = report_files(report)
        write_files(folder, files)
    for line in (report.headline, *(region.sentence for region in report.regions)):
        print_line(console, line)
    problem = log_report(
        tracking(home, tracking_uri or record["settings"]["tracking_uri"]),
        home,
        study_tags(name, record["study_id"]),
        {f"{FOLDER}/{path}": content for path, content in files.items()} | key_figure(report),
        study_note(name, record["settings"], home, description(report)),
    )
    if problem:
        print_line(console, f"MLflow was not updated ({problem})", "yellow")
    print_line(console, f"written: {folder / PAGE}")
    return folder / PAGE


def check_folder(folder: Path) -> None:
    """InputError unless a report may be written there: a new or empty folder, or that of a report."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).is_file():
        raise InputError(f"--out {folder} holds something else than a report: name a new folder")


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the report's files, and remove those of an earlier report that are not among them."""
    try:
        for path, content in files.items():
            whole = folder / path
            whole.parent.mkdir(parents=True, exist_ok=True)
            write_whole(whole, content)
        for part in PARTS:
            for old in (folder / part).glob("*"):
                if f"{part}/{old.name}" not in files:
                    old.unlink()
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}): make room, or name another --out"
        ) from error
