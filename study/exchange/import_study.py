"""`cops import FILE`: an exported study is restored, record by record."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from cops_core.cache import DEFAULT_CACHE
from cops_core.errors import InputError
from cops_core.trial import DEFAULT_DATA_ROOT
from study.console import print_line
from study.exchange.imports import new_study, origin, say_next
from study.records.evaluations import EVALUATIONS
from study.records.store import ARTIFACTS, TRIALS, StudyStore
from study.records.study_record import make_study_record
from study.records.tables import trial_tables
from study.records.trial import StudyTrial
from study.search.exchange import StudyExport, read_export
from study.search.optuna_file import read_optuna
from study.settings import Settings, make_settings, parse_settings

# The only names under which a file may be written to a study's folder: none leads out of it.
IDENTITY = re.compile("[0-9a-f]{64}")
NETWORK = re.compile(rf"{ARTIFACTS}/[0-9A-Za-z._-]+")
PLUGIN = re.compile(r"plugins/[0-9A-Za-z_][0-9A-Za-z._-]*\.py")


def import_study(
    source: str,
    *,
    name: str | None,
    home: Path,
    storage: str | None,
    tracking_uri: str | None,
    console: Console,
) -> None:
    """Restore a study that `cops export --format optuna` wrote.

    Every record is the same as before. Networks are not exported. Data and score cache stay where they were
    if this machine has such folders. An error leaves nothing behind.

    Args:
        source: The exported file.
        name: The study's new name; None keeps its own.
        home: The home on this machine.
        storage: The storage of the study; None is in the home.
        tracking_uri: MLflow's tracking URI; None is SQLite in the home.
        console: For lines about the result.

    Raises:
        InputError: The file is not an exported study, or damaged; or a study of this name already exists.
    """
    studies = read_optuna(source)
    found = read_export(studies, source)
    if found is None:
        known = ", ".join(study.name for study in studies) or "none"
        raise InputError(
            f"{source} was not written by cops export (its studies: {known}): write --space SPACE and"
            " --name NEW to try its configurations in a study of your own"
        )
    trials = _trials(found, source)
    files = {file: _content(file, content, source) for file, content in found.files.items()}
    settings = _moved(found, source, name=name, home=home, storage=storage, tracking_uri=tracking_uri)
    store = StudyStore(settings.storage_uri, settings.name)
    plugins = found.study["settings"]["plugins"]
    here = {**settings.record(), "plugins": plugins}
    with new_study(store):
        for trial, record in zip(trials, found.records, strict=True):
            store.write_json(f"{TRIALS}/{trial.name}.json", record)
        if plugins:
            store.make("plugins")
        for file, content in (files | trial_tables(store.name, trials)).items():
            store.write(file, content)
        # Last: with this file the study exists.
        store.write_record(make_study_record(here, found.study, imported=origin(source)))
    print_line(console, f"{store.name}: {len(trials)} trials restored in {store.path}")
    if missing := sum(trial.artifact is not None for trial in trials):
        print_line(
            console,
            f"{missing} networks are missing, since an export does not contain them: copy the files in"
            f" {ARTIFACTS}/ of the exported study to {store.path}/{ARTIFACTS}/",
        )
    say_next(console, settings)


def _trials(found: StudyExport, source: str) -> list[StudyTrial]:
    """The records as trials. InputError if one is not valid, or its files would be outside of the folder."""
    try:
        trials = [StudyTrial.from_record(record) for record in found.records]
    except InputError as error:
        plugins = found.study["settings"].get("plugins") or ()
        flags = " ".join(f"--plugin {plugin}" for plugin in plugins)
        hint = f"add {flags}" if plugins else "read it with the version of cops that wrote it"
        raise InputError(f"{source} contains a trial that is not valid here ({error}): {hint}") from None
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise _damaged(source, f"a record is not valid, {type(error).__name__}: {error}") from None
    for trial in trials:
        network = f"{ARTIFACTS}/none" if trial.artifact is None else trial.artifact.get("file", "")
        if not IDENTITY.fullmatch(trial.identity) or not NETWORK.fullmatch(network):
            raise _damaged(source, f"the record of trial {trial.number} has a wrong identity or file name")
    if len({trial.number for trial in trials}) < len(trials):
        raise _damaged(source, "two trials have the same number")
    return trials


def _content(file: str, content: Any, source: str) -> bytes:
    """The content of another file of the study's folder."""
    if file == EVALUATIONS and isinstance(content, list):
        return StudyStore.as_json(content)
    if PLUGIN.fullmatch(file) and isinstance(content, str):
        return content.encode()
    raise _damaged(source, f"a study has no file {file!r}")


def _moved(
    found: StudyExport,
    source: str,
    *,
    name: str | None,
    home: Path,
    storage: str | None,
    tracking_uri: str | None,
) -> Settings:
    """The study's settings, with the places of this machine."""
    try:
        before = parse_settings(found.study["settings"])
    except (KeyError, TypeError, ArithmeticError) as error:
        raise _damaged(source, f"its settings are not valid, {type(error).__name__}: {error}") from None
    places: Mapping[str, Any] = {
        "home": home,
        "storage": storage,
        "tracking_uri": tracking_uri,
        "address": None,
        "data_root": before.data_root if before.data_root.is_dir() else DEFAULT_DATA_ROOT,
        "score_cache": before.score_cache if before.score_cache.is_dir() else DEFAULT_CACHE,
    }
    return make_settings(**{**dict(before), **places, "name": name or before.name})


def _damaged(source: str, why: str) -> InputError:
    return InputError(f"{source} is damaged ({why}): export the study again")
