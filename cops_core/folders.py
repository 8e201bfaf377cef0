"""Folders that are created for a result, and removed again if there is none."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile


def check_writable(folder: Path) -> None:
    """Check that files can be written to a folder, or to the one in which it would be created.

    Raises:
        OSError: They cannot.
    """
    while not folder.exists():
        folder = folder.parent
    with TemporaryFile(dir=folder):
        pass


def missing_folders(folder: Path) -> list[Path]:
    """The folder and those above it that do not exist, the innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove those that exist, the innermost first, up to the first that is not empty."""
    with suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()
