"""A study's folder in its storage: the settings, one record per trial, one Parquet table.

The records are the truth; MLflow and the table are views of them. The storage is a folder or any
URI that pyarrow's filesystems know. Files appear whole or not at all.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pyarrow import fs

from cops_core.errors import InputError
from cops_core.plugins import Plugin
from study.trial import StudyTrial

# The folder of the trained networks, one file per trial that finished.
ARTIFACTS = "artifacts"


class StudyStore:
    """The folder of one study: `STORAGE/NAME/`."""

    def __init__(self, storage_uri: str, name: str) -> None:
        self.name = name
        self.filesystem, root = open_storage(storage_uri)
        self.path = f"{root}/{name}"

    @property
    def exists(self) -> bool:
        """Whether there is a study of this name."""
        return bool(self.filesystem.get_file_info(f"{self.path}/study.json").type == fs.FileType.File)

    def create(self, settings: dict[str, Any]) -> None:
        """Make the folder and write the study's settings."""
        for folder in ("trials", ARTIFACTS):
            self.filesystem.create_dir(f"{self.path}/{folder}", recursive=True)
        self.write_json("study.json", settings)

    def write_plugins(self, plugins: Iterable[Plugin]) -> None:
        """Keep the text of each plugin that is a file, by which its trials can be run again."""
        sources = {plugin.name: plugin.source for plugin in plugins if plugin.source is not None}
        if sources:
            self.filesystem.create_dir(f"{self.path}/plugins", recursive=True)
        for name, source in sources.items():
            self.write(f"plugins/{name}.py", source.encode())

    def settings(self) -> dict[str, Any]:
        """The study's settings, as `create` was given them."""
        settings: dict[str, Any] = json.loads(self._read(f"{self.path}/study.json"))
        return settings

    def save(self, trial: StudyTrial) -> None:
        """Write a trial's record."""
        self.write_json(f"trials/{trial.name}.json", trial.record())

    def trials(self) -> list[StudyTrial]:
        """All trials recorded so far, by number. InputError if they need a plugin that is not loaded."""
        selector = fs.FileSelector(f"{self.path}/trials", allow_not_found=True)
        names = sorted(
            info.path for info in self.filesystem.get_file_info(selector) if info.path.endswith(".json")
        )
        try:
            return [StudyTrial.from_record(json.loads(self._read(name))) for name in names]
        except InputError as error:
            plugins = self.settings().get("settings", {}).get("plugins", {})
            if not plugins:
                raise
            flags = " ".join(f"--plugin {name}" for name in plugins)
            raise InputError(f"study {self.name!r} used plugins: add {flags} ({error})") from None

    def write_json(self, name: str, content: Any) -> None:
        """Write one JSON file of the study, whole or not at all."""
        self.write(name, json.dumps(content, indent=1, allow_nan=False).encode())

    def write(self, name: str, content: bytes) -> None:
        """Write one file of the study, whole or not at all."""
        path = f"{self.path}/{name}"
        with self.filesystem.open_output_stream(f"{path}.tmp") as stream:
            stream.write(content)
        self.filesystem.move(f"{path}.tmp", path)

    def read(self, name: str) -> bytes:
        """One file of the study."""
        return self._read(f"{self.path}/{name}")

    def _read(self, path: str) -> bytes:
        with self.filesystem.open_input_stream(path) as stream:
            content: bytes = stream.read()
        return content


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
