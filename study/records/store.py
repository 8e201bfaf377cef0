"""A study's folder in its storage: the settings, one record per trial, one Parquet table.

The records are the truth; MLflow and the table are views of them.
"""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from cops_core.errors import InputError, near_path, unknown
from cops_core.plugins import Plugin
from study.records.folder import Folder, folder_names
from study.records.study_record import StudyRecord
from study.records.trial import StudyTrial

STUDY_FILE = "study.json"
# The folders of a study: a record per trial; trained networks; states of trials that have not ended.
TRIALS, ARTIFACTS, CHECKPOINTS = "trials", "artifacts", "checkpoints"
# Of a trial's checkpoint: its state, and which worker may write it.
CHECKPOINT_FILES = STATE_FILE, OWNER_FILE = ".pt", ".owner"
AT_ONCE = 16  # records that are read from a storage that is far away


class StudyStore(Folder):
    """The folder of one study: `STORAGE/NAME/`."""

    @property
    def exists(self) -> bool:
        """Whether there is a study of this name."""
        return self.has(STUDY_FILE)

    def write_record(self, record: StudyRecord) -> None:
        """Write the study's record: from now on this is a study. Makes its folders."""
        self.make_folders()
        self.write_json(STUDY_FILE, record)

    def make_folders(self) -> None:
        """Make the study's folders, where they are missing."""
        self.make(TRIALS, ARTIFACTS, CHECKPOINTS)

    def discard(self) -> None:
        """Remove the study's folder, if nothing was ever written into it that makes it a study.

        Folders above it that `make_folders` made are removed, too, if nothing else is in them.
        """
        if not (self.exists or self.files(TRIALS) or self.files(ARTIFACTS)):
            self.remove()

    def write_plugins(self, plugins: Iterable[Plugin]) -> None:
        """Keep the text of each plugin that is a file, by which its trials can be run again."""
        sources = {plugin.name: plugin.source for plugin in plugins if plugin.source is not None}
        if sources:
            self.make("plugins")
        for name, source in sources.items():
            self.write(f"plugins/{name}.py", source.encode())

    def record(self) -> StudyRecord:
        """The study's record. InputError if it is damaged, or that of another version."""
        record = self._json(STUDY_FILE)
        if missing := [key for key in StudyRecord.__required_keys__ if key not in record]:
            raise self._other_version(STUDY_FILE, f"it has no {', '.join(sorted(missing))}")
        return cast(StudyRecord, record)

    def _json(self, name: str) -> Any:
        """A JSON file of the study. InputError if it is none."""
        try:
            return json.loads(self.read(name))
        except ValueError:
            raise InputError(
                f"{self.path}/{name} cannot be read (it is no JSON): restore it, or remove it"
            ) from None

    def save(self, trial: StudyTrial) -> None:
        """Write a trial's record."""
        self.write_json(f"{TRIALS}/{trial.name}.json", trial.record())

    def trials(self) -> list[StudyTrial]:
        """All trials recorded so far, by number. InputError if they need a plugin that is not loaded."""
        names = [f"{TRIALS}/{name}" for name in sorted(self.files(TRIALS)) if name.endswith(".json")]
        if self.is_local:
            return [self._trial(name) for name in names]
        with ThreadPoolExecutor(AT_ONCE) as pool:  # each takes a few requests, of tens of milliseconds
            return list(pool.map(self._trial, names))

    def _trial(self, name: str) -> StudyTrial:
        try:
            return StudyTrial.from_record(self._json(name))
        except InputError as error:
            plugins = self.record()["settings"]["plugins"]
            if not plugins:
                raise
            flags = " ".join(f"--plugin {plugin}" for plugin in plugins)
            raise InputError(f"study {self.name!r} used plugins: add {flags} ({error})") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise self._other_version(name, f"{type(error).__name__}: {error}") from None

    def _other_version(self, name: str, why: str) -> InputError:
        return InputError(
            f"{self.path}/{name} is the record of another version ({why}): read it with the version that"
            " wrote it"
        )


def studies(storage_uri: str) -> Iterator[StudyStore]:
    """Every study in a storage, by name."""
    for name in folder_names(storage_uri):
        store = StudyStore(storage_uri, name)
        if store.exists:
            yield store


def find_study(storage_uri: str, name: str) -> StudyStore:
    """The study of that name in a storage. InputError with the nearest name if there is none."""
    store = StudyStore(storage_uri, name)
    if not store.exists:
        raise no_study(store)
    return store


def no_study(store: StudyStore) -> InputError:
    """What to write instead of a study that is not there: the nearest name, or the right folder."""
    known = [other.name for other in studies(store.storage_uri)]
    if known:
        return InputError(unknown("study", store.name, known))
    folder = Path(store.storage_uri)
    # A home that is misspelt has no folder of studies either.
    missing = [path for path in (folder.parent, folder) if store.is_local and not path.exists()]
    advice = (
        near_path(missing[0]) if missing else ""
    ) or ": launch one, or name the right --home or --storage"
    return InputError(f"no studies in {store.storage_uri}{advice}")
