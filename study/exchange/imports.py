"""What both kinds of import share: the folder of a new study, and the record of its origin."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from shlex import quote

from rich.console import Console

from cops_core.errors import InputError
from study.console import print_line
from study.places import find_flags
from study.records.lease import Lease
from study.records.store import TRIALS, StudyStore
from study.records.study_record import ImportOrigin
from study.settings import Settings


@contextmanager
def new_study(store: StudyStore) -> Iterator[None]:
    """A `with` block in which a new study's folder is filled; an error in it removes the folder.

    Args:
        store: The new study.

    Raises:
        InputError: A study of this name already exists, or the folder cannot be written.
    """
    with Lease(store):
        if store.exists or store.files(TRIALS):
            raise InputError(f"study {store.name!r} already exists: choose another --name")
        try:
            yield
        except BaseException as error:
            store.remove()
            if isinstance(error, OSError):
                reason = error.strerror or error
                raise InputError(
                    f"{store.path} cannot be written ({reason}): choose another --storage"
                ) from error
            raise


def origin(source: str) -> ImportOrigin:
    """The record of a study's origin: a file, and the present time."""
    return {"from": source, "at": datetime.now(UTC).isoformat(timespec="seconds")}


def say_next(console: Console, settings: Settings) -> None:
    """Print the command that resumes the study."""
    where = find_flags(settings.home, settings.storage)
    plugins = "".join(f" --plugin {quote(plugin.name)}" for plugin in settings.plugins)
    print_line(console, f"resume with: cops resume {settings.name}{where}{plugins}")
