"""`cops report`: a study's report in a folder, and in the study's MLflow run."""

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from cops_core.errors import InputError
from cops_core.whole_file import write_whole
from study.analysis.ablation_words import conclusions
from study.analysis.judged_words import verdict
from study.console import print_line
from study.places import storage_uri, tracking
from study.records.store import find_study
from study.tracking.describe import study_note
from study.tracking.find import study_tags
from study.tracking.report import log_report
from study.views.report.content import gather
from study.views.report.files import FOLDER, PAGE, description, key_figure, report_files

PARTS = ("figures", "tables")  # the folders of a report


def write_report(
    name: str,
    out: Path | None,
    *,
    home: Path,
    storage: str | None,
    tracking_uri: str | None,
    console: Console,
) -> Path:
    """Write a study's report, and log it to the study's MLflow run. An existing report is replaced.

    Args:
        name: The study's name.
        out: The folder of the report; None for `HOME/reports/NAME`.
        home: The study's home.
        storage: A folder or a URI; None for the home.
        tracking_uri: Where MLflow is; None for where the study has it.
        console: Where the results are printed.

    Returns:
        The path of the page.

    Raises:
        InputError: The study does not exist, or `out` cannot be written or contains something else.
    """
    store = find_study(storage_uri(home, storage), name)
    folder = home / "reports" / name if out is None else out
    check_folder(folder)
    record = store.record()
    with console.status("drawing"):
        report = gather(store)
        files = report_files(report)
        write_files(folder, files)
    concluded = [] if report.methods is None else [verdict(report.methods)]
    if report.ablations is not None:
        concluded = [conclusion.sentence for conclusion in conclusions(report.ablations.table)]
    for line in (report.headline, *concluded, *(region.sentence for region in report.regions)):
        if line:
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
    """Check that a report may be written to a folder.

    Raises:
        InputError: It is neither new, nor empty, nor the folder of a report.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--out {folder} is a file: choose a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / PAGE).is_file():
        raise InputError(f"--out {folder} contains other files than a report: choose a new folder")


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the report's files, and remove other files of an earlier report.

    Args:
        folder: The folder of the report.
        files: The files by their paths.

    Raises:
        InputError: The folder cannot be written.
    """
    try:
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, content)
        for part in PARTS:
            for old in (folder / part).glob("*"):
                if f"{part}/{old.name}" not in files:
                    old.unlink()
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({error.strerror or error}): free some space, or choose another"
            " --out"
        ) from error
