"""A folder of a storage, whose files appear whole or not at all.

The storage is a folder of this machine, or any URI that pyarrow's filesystems know.
"""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyarrow import fs

from cops_core.errors import InputError
from cops_core.folders import check_writable, missing_folders, remove_empty
from cops_core.whole_file import write_whole

# Here an object is there when its stream has been closed, and not before; renaming would copy it.
OBJECT_STORES = ("s3", "gcs", "abfs")


class Folder:
    """The folder `STORAGE/NAME/`."""

    def __init__(self, storage_uri: str, name: str) -> None:
        self.name = name
        self.storage_uri = storage_uri
        self.filesystem, root = open_storage(storage_uri)
        self.path = f"{root}/{name}"
        self._new: list[Path] = []  # the folders above it that `make` made

    @property
    def is_local(self) -> bool:
        """Whether the storage is a folder of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def make(self, *folders: str) -> None:
        """Make the folder and these within it, where they are missing."""
        if self.is_local:
            self._new += missing_folders(Path(self.path).parent)
        for name in folders or ("",):
            self.filesystem.create_dir(f"{self.path}/{name}".rstrip("/"), recursive=True)

    def check_writable(self) -> None:
        """Check that files can be written to the folder, which need not exist. Leaves nothing.

        Raises:
            OSError: They cannot.
        """
        if self.is_local:
            check_writable(Path(self.path))
        else:
            name = f"{uuid4().hex}.check"
            self.make()
            self.write(name, b"")
            self.delete(name)

    def write_json(self, name: str, content: Any) -> None:
        """Write one JSON file, whole or not at all."""
        self.write(name, self.as_json(content))

    @staticmethod
    def as_json(content: Any) -> bytes:
        """JSON as it lies in a study's folder."""
        return json.dumps(content, indent=1, allow_nan=False).encode()

    def write(self, name: str, content: bytes) -> None:
        """Write one file, whole or not at all, whatever dies meanwhile.

        OSError if the storage does not take it.
        """
        path = f"{self.path}/{name}"
        if self.is_local:
            write_whole(Path(path), content)
            return
        temporary = f"{path}.{uuid4().hex[:8]}.tmp"
        at_once = self.filesystem.type_name in OBJECT_STORES
        with self.filesystem.open_output_stream(path if at_once else temporary) as stream:
            stream.write(content)
        if not at_once:
            self.filesystem.move(temporary, path)

    def read(self, name: str) -> bytes:
        """One file, as it was written. FileNotFoundError if it is not there."""
        path = f"{self.path}/{name}"
        for _ in range(10):
            # In one request: of an object that is written over meanwhile, several would give parts of both,
            # and one gives no more of a longer object than its predecessor had.
            with self.filesystem.open_input_file(path) as file:
                content: bytes = file.read(file.size())
            if self.is_local or self.filesystem.get_file_info(path).size == len(content):
                return content
        raise OSError(f"{path} changes faster than it can be read")

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        return bool(self.filesystem.get_file_info(f"{self.path}/{name}").type == fs.FileType.File)

    def delete(self, name: str) -> None:
        """Remove one file, if it is there."""
        if self.has(name):
            self.filesystem.delete_file(f"{self.path}/{name}")

    def remove(self) -> None:
        """Remove the folder with all that is in it, and those above it that `make` made and are empty."""
        self.filesystem.delete_dir(self.path)
        remove_empty(self._new)

    def remove_if_empty(self) -> None:
        """Remove a folder of this machine in which nothing is, and those above it as `remove` does."""
        if self.is_local:
            remove_empty([Path(self.path), *self._new])

    def files(self, folder: str = "") -> list[str]:
        """The names of the files in it, or in a folder within it; none if it is not there."""
        selector = fs.FileSelector(f"{self.path}/{folder}".rstrip("/"), allow_not_found=True)
        return [
            info.base_name
            for info in self.filesystem.get_file_info(selector)
            if info.type == fs.FileType.File
        ]


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


def folder_names(storage_uri: str) -> list[str]:
    """The names of the folders in a storage, sorted; none if it is not there."""
    filesystem, root = open_storage(storage_uri)
    found = filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True))
    return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)
