"""Folders that are created for a result, and removed again if there is none."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile, gettempdir


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


def user_cache(name: str) -> Path:
    """A folder for what can be made again, in the user's home.

    Args:
        name: What is kept there.

    Returns:
        `~/.cache/cops-study/NAME`, not created. A user without a home, as in some containers, has one in the
        folder for temporary files.
    """
    if has_home():
        return Path.home() / ".cache" / "cops-study" / name
    return Path(gettempdir(), f"cops-study-{os.getuid()}", name)


def has_home() -> bool:
    """Whether the user has a home: HOME is set, or the system knows one."""
    try:
        Path.home()
    except RuntimeError:
        return False
    return True
