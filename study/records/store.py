"""A study's folder in its storage: the settings, one record per trial, the Parquet tables.

The records are the source of truth; MLflow and the tables are made from them.
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
# The files of a trial's checkpoint: its state, and which worker may write it.
CHECKPOINT_FILES = STATE_FILE, OWNER_FILE = ".pt", ".owner"
AT_ONCE = 16  # records that are read at the same time from a remote storage


class StudyStore(Folder):
    """The folder of one study: `STORAGE/NAME/`."""

    @property
    def exists(self) -> bool:
        """Whether a study of this name exists."""
        return self.has(STUDY_FILE)

    def write_record(self, record: StudyRecord) -> None:
        """Write the study's record, and create its folders. From now on the study exists."""
        self.make_folders()
        self.write_json(STUDY_FILE, record)

    def make_folders(self) -> None:
        """Create the study's folders, where they are missing."""
        self.make(TRIALS, ARTIFACTS, CHECKPOINTS)

    def discard(self) -> None:
        """Remove the study's folder, unless it contains a study, records or networks.

        Empty parent folders that `make_folders` created are removed, too.
        """
        if not (self.exists or self.files(TRIALS) or self.files(ARTIFACTS)):
            self.remove()

    def write_plugins(self, plugins: Iterable[Plugin]) -> None:
        """Store the source of each plugin that is a file, so that its trials can be run again."""
        sources = {plugin.name: plugin.source for plugin in plugins if plugin.source is not None}
        if sources:
            self.make("plugins")
        for name, source in sources.items():
            self.write(f"plugins/{name}.py", source.encode())

    def record(self) -> StudyRecord:
        """The study's record.

        Returns:
            The content of `study.json`.

        Raises:
            InputError: It is damaged, or was written by another version.
        """
        record = self._json(STUDY_FILE)
        if missing := [key for key in StudyRecord.__required_keys__ if key not in record]:
            raise self._other_version(STUDY_FILE, f"it has no {', '.join(sorted(missing))}")
        return cast(StudyRecord, record)

    def _json(self, name: str) -> Any:
        """A JSON file of the study. InputError if it is not JSON."""
        try:
            return json.loads(self.read(name))
        except ValueError:
            raise InputError(
                f"{self.path}/{name} cannot be read (not valid JSON): restore it, or remove it"
            ) from None

    def save(self, trial: StudyTrial) -> None:
        """Write a trial's record."""
        self.write_json(f"{TRIALS}/{trial.name}.json", trial.record())

    def trials(self) -> list[StudyTrial]:
        """All trials that have been recorded so far.

        Returns:
            The trials, by number.

        Raises:
            InputError: They need a plugin that is not loaded; a record is damaged, or of another version.
        """
        names = [f"{TRIALS}/{name}" for name in sorted(self.files(TRIALS)) if name.endswith(".json")]
        if self.is_local:
            return [self._trial(name) for name in names]
        with ThreadPoolExecutor(AT_ONCE) as pool:  # each needs a few requests of tens of milliseconds
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
            f"{self.path}/{name} was written by another version of cops ({why}):"
            " use the version that wrote it"
        )


def studies(storage_uri: str) -> Iterator[StudyStore]:
    """All studies in a storage.

    Args:
        storage_uri: A folder of this machine, or a URI.

    Yields:
        The studies, by name.
    """
    for name in folder_names(storage_uri):
        store = StudyStore(storage_uri, name)
        if store.exists:
            yield store


def find_study(storage_uri: str, name: str) -> StudyStore:
    """A study in a storage.

    Args:
        storage_uri: A folder of this machine, or a URI.
        name: The study's name.

    Returns:
        The study.

    Raises:
        InputError: There is no such study; the message has the nearest name.
    """
    store = StudyStore(storage_uri, name)
    if not store.exists:
        raise no_study(store)
    return store


def no_study(store: StudyStore) -> InputError:
    """The error for a study that does not exist, with the nearest name or folder.

    Args:
        store: The study that was looked for.

    Returns:
        The error.
    """
    known = [other.name for other in studies(store.storage_uri)]
    if known:
        return InputError(unknown("study", store.name, known))
    folder = Path(store.storage_uri)
    # A misspelt home has no folder of studies either.
    missing = [path for path in (folder.parent, folder) if store.is_local and not path.exists()]
    advice = (
        near_path(missing[0]) if missing else ""
    ) or ": launch one, or name the right --home or --storage"
    return InputError(f"no studies in {store.storage_uri}{advice}")
