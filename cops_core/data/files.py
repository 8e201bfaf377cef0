"""Files of data sets: downloaded once, and complaints about them in one line."""

from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

from filelock import FileLock

from cops_core.errors import InputError
from cops_core.folders import missing_folders, remove_empty


def reason(error: Exception) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__


def download_once(
    name: str, folder: Path, root: Path, complete: Callable[[], bool], fetch: Callable[[], object], hint: str
) -> None:
    """Run `fetch`, which fills `folder`, unless the files are `complete` once it is this process's turn.

    name: torchvision's, for the lock in `root` and the complaint. hint: another way, should it fail.
    Raises InputError if the download fails; no empty folder is left then.
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
    """Fetch what is not complete. torchvision writes in place: one process downloads, the others wait."""
    with FileLock(lock):
        try:
            if not complete():
                fetch()
        except BaseException:
            lock.unlink()  # it is still held: whoever waits for it makes a new one
            raise
