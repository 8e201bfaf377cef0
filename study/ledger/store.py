"""A study's folder in its storage: the settings, one record per trial, one Parquet table.

The records are the truth; MLflow and the table are views of them. The storage is a folder or any
URI that pyarrow's filesystems know. Files appear whole or not at all.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import fs

from cops_core.errors import InputError
from cops_core.plugins import Plugin
from study.ledger.trial import StudyTrial

# The folders of a study: a record per trial; trained networks; states of trials that have not ended.
TRIALS, ARTIFACTS, CHECKPOINTS = "trials", "artifacts", "checkpoints"
# Of a trial's checkpoint: its state, and which worker may write it.
CHECKPOINT_FILES = STATE_FILE, OWNER_FILE = ".pt", ".owner"


class StudyStore:
    """The folder of one study: `STORAGE/NAME/`."""

    def __init__(self, storage_uri: str, name: str) -> None:
        self.name = name
        self.filesystem, root = open_storage(storage_uri)
        self.path = f"{root}/{name}"

    @property
    def is_local(self) -> bool:
        """Whether the storage is a folder of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    @property
    def exists(self) -> bool:
        """Whether there is a study of this name."""
        return self.has("study.json")

    def create(self, settings: dict[str, Any]) -> None:
        """Make the folders and write the study's settings."""
        self.make_folders()
        self.write_json("study.json", settings)

    def make_folders(self) -> None:
        """Make the study's folders, where they are missing."""
        for folder in (TRIALS, ARTIFACTS, CHECKPOINTS):
            self.filesystem.create_dir(f"{self.path}/{folder}", recursive=True)

    def discard(self) -> None:
        """Remove the study's folder, if nothing was ever written into it that makes it a study."""
        if not (self.exists or self.files(TRIALS) or self.files(ARTIFACTS)):
            self.filesystem.delete_dir(self.path)

    def write_plugins(self, plugins: Iterable[Plugin]) -> None:
        """Keep the text of each plugin that is a file, by which its trials can be run again."""
        sources = {plugin.name: plugin.source for plugin in plugins if plugin.source is not None}
        if sources:
            self.filesystem.create_dir(f"{self.path}/plugins", recursive=True)
        for name, source in sources.items():
            self.write(f"plugins/{name}.py", source.encode())

    def settings(self) -> dict[str, Any]:
        """The study's settings, as `create` was given them."""
        settings: dict[str, Any] = self._json("study.json")
        return settings

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
        names = sorted(name for name in self.files(TRIALS) if name.endswith(".json"))
        return [self._trial(f"{TRIALS}/{name}") for name in names]

    def _trial(self, name: str) -> StudyTrial:
        try:
            return StudyTrial.from_record(self._json(name))
        except InputError as error:
            plugins = self.settings().get("settings", {}).get("plugins", {})
            if not plugins:
                raise
            flags = " ".join(f"--plugin {plugin}" for plugin in plugins)
            raise InputError(f"study {self.name!r} used plugins: add {flags} ({error})") from None
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{self.path}/{name} is the record of another version ({type(error).__name__}: {error}):"
                " read it with the version that wrote it"
            ) from None

    def write_json(self, name: str, content: Any) -> None:
        """Write one JSON file of the study, whole or not at all."""
        self.write(name, json.dumps(content, indent=1, allow_nan=False).encode())

    def write(self, name: str, content: bytes) -> None:
        """Write one file of the study, whole or not at all, whatever dies meanwhile.

        OSError if the storage does not take it.
        """
        path = f"{self.path}/{name}"
        temporary = f"{path}.{uuid4().hex[:8]}.tmp"
        if self.is_local:
            _write_through(Path(temporary), Path(path), content)
            return
        with self.filesystem.open_output_stream(temporary) as stream:
            stream.write(content)
        self.filesystem.move(temporary, path)

    def read(self, name: str) -> bytes:
        """One file of the study. FileNotFoundError if it is not there."""
        with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream:
            content: bytes = stream.read()
        return content

    def has(self, name: str) -> bool:
        """Whether a file of the study is there."""
        return bool(self.filesystem.get_file_info(f"{self.path}/{name}").type == fs.FileType.File)

    def delete(self, name: str) -> None:
        """Remove one file of the study, if it is there."""
        if self.has(name):
            self.filesystem.delete_file(f"{self.path}/{name}")

    def files(self, folder: str) -> list[str]:
        """The names of the files in a folder of the study; none if it is not there."""
        selector = fs.FileSelector(f"{self.path}/{folder}", allow_not_found=True)
        return [
            info.base_name
            for info in self.filesystem.get_file_info(selector)
            if info.type == fs.FileType.File
        ]


def _write_through(temporary: Path, path: Path, content: bytes) -> None:
    """Written, and on the disk itself, before it takes its name: a machine may lose its power."""
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def open_storage(uri: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of a URI or a local folder, and the path within it."""
    try:
        if "://" not in uri:
            local = fs.LocalFileSystem()
            return local, uri.rstrip("/")
        filesystem, path = fs.FileSystem.from_uri(uri)
    except (ValueError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"storage {uri!r} cannot be opened ({reason}): write a folder or a URI such as s3://bucket/dir"
        ) from None
    return filesystem, path.rstrip("/")


def studies(storage_uri: str) -> Iterator[StudyStore]:
    """Every study in a storage, by name."""
    filesystem, root = open_storage(storage_uri)
    for info in sorted(
        filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True)), key=lambda i: i.path
    ):
        store = StudyStore(storage_uri, info.base_name)
        if store.exists:
            yield store
