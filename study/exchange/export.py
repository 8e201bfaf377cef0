"""`cops export`: a study's tables, or its Optuna studies, as files for use elsewhere."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from cops_core.errors import InputError, lookup
from cops_core.whole_file import whole_file
from study.console import print_line
from study.records.evaluations import EVALUATIONS, read_evaluations
from study.records.frames import csv_tables
from study.records.store import StudyStore
from study.records.tables import additions, trial_tables
from study.search.exchange import as_optuna
from study.search.histories import recorded_space
from study.search.optuna_file import write_optuna
from study.settings import parse_settings


def export_study(store: StudyStore, kind: str, out: Path | None, console: Console) -> None:
    """Write a study in another format, completely or not at all.

    Args:
        store: The study.
        kind: One of `FORMATS`.
        out: A new folder for tables, a new file for Optuna; None is one in the working directory, named after
            the study.
        console: For the line that names the result.

    Raises:
        InputError: The format is unknown; `out` already exists or cannot be written; or the format is
            `optuna` and the study has no sampler.
    """
    write = lookup("format", kind, FORMATS)
    path = out or Path(f"{store.name}.optuna.db" if kind == "optuna" else f"{store.name}-{kind}")
    if path.exists():
        raise InputError(f"{path} already exists: choose another --out, or remove it")
    try:
        with whole_file(path) as temporary:
            write(store, temporary)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): choose another --out"
        ) from error
    print_line(console, f"{store.name}: {path}")


def _parquet(store: StudyStore, folder: Path) -> None:
    _write_files(folder, trial_tables(store.name, store.trials(), additions(store)))


def _csv(store: StudyStore, folder: Path) -> None:
    _write_files(folder, csv_tables(store))


def _optuna(store: StudyStore, file: Path) -> None:
    """One Optuna study per history, with every record and all other content that an import needs."""
    record = store.record()
    settings = parse_settings(record["settings"])
    if settings.kind != "search":
        raise InputError(
            f"{store.name!r} was run by cops {settings.kind}, without a sampler: write --format parquet or"
            " csv"
        )
    about = {"settings": record, "files": _files(store)}
    write_optuna(file, as_optuna(recorded_space(settings), settings, store.trials(), about))


def _files(store: StudyStore) -> dict[str, Any]:
    """The other content of the study's folder that an import restores: plugins and test evaluations."""
    plugins = {f"plugins/{name}": store.read(f"plugins/{name}").decode() for name in store.files("plugins")}
    evaluations = read_evaluations(store)
    return plugins | ({EVALUATIONS: evaluations} if evaluations else {})


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


FORMATS: Mapping[str, Callable[[StudyStore, Path], None]] = {
    "parquet": _parquet,
    "csv": _csv,
    "optuna": _optuna,
}
