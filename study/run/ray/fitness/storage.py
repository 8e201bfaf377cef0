"""Does this machine see the driver's storage, and may it write to it?"""

from collections.abc import Iterator
from contextlib import suppress
from uuid import uuid4

from cops_core.errors import InputError
from study.records.folder import Folder
from study.records.store import StudyStore
from study.run.ray.fitness.checks import reason

# A folder beside the studies, whose names begin with a letter or a digit.
TOKENS = "_check"


class Token:
    """A file in the storage inside a `with` block: a node that sees it has the same storage.

    Args:
        storage: Where studies are.

    Raises:
        InputError: The storage cannot be written, when the block is entered.
    """

    def __init__(self, storage: str) -> None:
        self.name = uuid4().hex
        self.folder = Folder(storage, TOKENS)

    def __enter__(self) -> "Token":
        try:
            self.folder.make()
            self.folder.write(self.name, self.name.encode())
        except OSError as error:
            raise InputError(
                f"storage {self.folder.path} cannot be written ({reason(error)}): choose another --storage"
            ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            for name in self.folder.files():
                if name.startswith(self.name):
                    self.folder.delete(name)
            self.folder.remove_if_empty()


def token_problems(storage: str, token: str) -> Iterator[str]:
    """Before a study: the node must see the driver's token, and be able to write a file beside it."""
    try:
        folder = Folder(storage, TOKENS)
        if not folder.has(token):
            yield (f"it does not see the driver's file in {storage}: choose a --storage that all nodes share")
            return
        folder.write(f"{token}.{uuid4().hex}", b"")
    except (OSError, InputError) as error:
        yield f"storage {storage} cannot be used there ({reason(error)}): fix its access rights"


def study_problems(store: StudyStore) -> Iterator[str]:
    """During a study: the node must see its record."""
    with suppress(OSError):  # not available for a moment: writes are repeated later
        if not store.exists:
            yield "it does not see the study's storage: fix its access rights"
