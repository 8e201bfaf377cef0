"""A folder of a storage, whose files are written completely or not at all.

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

# In these an object exists once its stream has been closed, and not before. Renaming would copy it.
OBJECT_STORES = ("s3", "gcs", "abfs")


class Folder:
    """The folder `STORAGE/NAME/`.

    Args:
        storage_uri: A folder of this machine, or a URI such as `s3://bucket/dir`.
        name: The folder's name within it.

    Raises:
        InputError: The storage cannot be opened.
    """

    def __init__(self, storage_uri: str, name: str) -> None:
        self.name = name
        self.storage_uri = storage_uri
        self.filesystem, root = open_storage(storage_uri)
        self.path = f"{root}/{name}"
        self._new: list[Path] = []  # the parent folders that `make` created

    @property
    def is_local(self) -> bool:
        """Whether the storage is a folder of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def make(self, *folders: str) -> None:
        """Create the folder, and subfolders with these names, where they are missing."""
        if self.is_local:
            self._new += missing_folders(Path(self.path).parent)
        for name in folders or ("",):
            self.filesystem.create_dir(f"{self.path}/{name}".rstrip("/"), recursive=True)

    def check_writable(self) -> None:
        """Check that files can be written to the folder, which need not exist. Nothing is left of the check.

        Raises:
            OSError: They cannot be written.
        """
        if self.is_local:
            check_writable(Path(self.path))
        else:
            name = f"{uuid4().hex}.check"
            self.make()
            self.write(name, b"")
            self.delete(name)

    def write_json(self, name: str, content: Any) -> None:
        """Write one JSON file, completely or not at all.

        Args:
            name: Its path within the folder.
            content: Values that JSON can express; NaN and infinity are refused.

        Raises:
            OSError: The storage cannot be written.
            ValueError: A number is not finite.
        """
        self.write(name, self.as_json(content))

    @staticmethod
    def as_json(content: Any) -> bytes:
        """JSON as it is stored in a study's folder."""
        return json.dumps(content, indent=1, allow_nan=False).encode()

    def write(self, name: str, content: bytes) -> None:
        """Write one file, completely or not at all, even if this process is killed meanwhile.

        Args:
            name: Its path within the folder.
            content: Its content.

        Raises:
            OSError: The storage cannot be written.
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
        """The content of one file.

        Args:
            name: Its path within the folder.

        Returns:
            The content, as it was written.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It cannot be read, or changes faster than it can be read.
        """
        path = f"{self.path}/{name}"
        for _ in range(10):
            # An object may be overwritten meanwhile. Several requests would then return parts of both
            # versions, and one request no more bytes than the earlier version had.
            with self.filesystem.open_input_file(path) as file:
                content: bytes = file.read(file.size())
            if self.is_local or self.filesystem.get_file_info(path).size == len(content):
                return content
        raise OSError(f"{path} changes faster than it can be read")

    def has(self, name: str) -> bool:
        """Whether the folder has a file of this name."""
        return bool(self.filesystem.get_file_info(f"{self.path}/{name}").type == fs.FileType.File)

    def delete(self, name: str) -> None:
        """Remove one file, if it exists."""
        if self.has(name):
            self.filesystem.delete_file(f"{self.path}/{name}")

    def remove(self) -> None:
        """Remove the folder with its content, and empty parent folders that `make` created."""
        self.filesystem.delete_dir(self.path)
        remove_empty(self._new)

    def remove_if_empty(self) -> None:
        """Remove an empty folder of this machine, and its parent folders as `remove` does."""
        if self.is_local:
            remove_empty([Path(self.path), *self._new])

    def files(self, folder: str = "") -> list[str]:
        """The names of the files in it, or in a subfolder; empty if that does not exist."""
        selector = fs.FileSelector(f"{self.path}/{folder}".rstrip("/"), allow_not_found=True)
        return [
            info.base_name
            for info in self.filesystem.get_file_info(selector)
            if info.type == fs.FileType.File
        ]


def open_storage(uri: str) -> tuple[fs.FileSystem, str]:
    """The filesystem of a storage, and the path within it.

    Args:
        uri: A folder of this machine, or a URI such as `s3://bucket/dir`.

    Returns:
        The filesystem, and the path of the storage within it, without a slash at its end.

    Raises:
        InputError: The storage cannot be opened.
    """
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
    """The names of the folders in a storage, sorted; empty if the storage does not exist."""
    filesystem, root = open_storage(storage_uri)
    found = filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True))
    return sorted(info.base_name for info in found if info.type == fs.FileType.Directory)
