"""Files of data sets: downloads by one process at a time, and one-line messages for errors."""

from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from cops_core.errors import InputError
from cops_core.folders import missing_folders, remove_empty


def reason(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def download_once(
    name: str, folder: Path, root: Path, complete: Callable[[], bool], fetch: Callable[[], object], hint: str
) -> None:
    """Download a data set, unless another process has done so meanwhile.

    Args:
        name: torchvision's name of the data set, for the lock in `root` and for the message.
        folder: The folder that `fetch` fills.
        root: The folder for downloads, created if it does not exist.
        complete: Whether all files exist.
        fetch: Downloads the files.
        hint: Another way to get the files, for the message.

    Raises:
        InputError: The download fails. No empty folder is left then.
    """
    new = missing_folders(folder)
    try:
        root.mkdir(parents=True, exist_ok=True)
        _fetch_alone(root / f"{name}.lock", complete, fetch)
    except (OSError, HTTPException, RuntimeError) as error:
        remove_empty(new)
        raise InputError(
            f"{name} is not in {root} and could not be downloaded ({reason(error)}):"
            f" {hint}, or put its files into {folder}"
        ) from error


def _fetch_alone(lock: Path, complete: Callable[[], bool], fetch: Callable[[], object]) -> None:
    """Fetch the files if they are not complete. torchvision writes in place, so other processes wait."""
    with FileLock(lock):
        try:
            if not complete():
                fetch()
        except BaseException:
            lock.unlink()  # this process still holds it: others that wait create a new one
            raise
