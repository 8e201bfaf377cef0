"""A new SQLite database of MLflow: created in a temporary folder, and placed when it is complete.

MLflow needs seconds to create one. If a second process opens it in the meantime, it is corrupted. And if the
study is refused after that, nothing of it may be left.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock
from mlflow import MlflowClient

from cops_core.errors import InputError
from cops_core.whole_file import write_whole
from study.places import SQLITE, sqlite_path, sqlite_uri


@dataclass(frozen=True)
class NewDatabase:
    """A database without any run.

    Attributes:
        tracking_uri: Its URI.
        path: The file that the URI names. `place` writes it.
        content: The content of that file.
    """

    tracking_uri: str
    path: Path
    content: bytes

    def place(self) -> None:
        """Write the file, unless another process has done so.

        Raises:
            InputError: It cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock"):
                if missing_database(self.tracking_uri):
                    write_whole(self.path, self.content)
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written ({error.strerror or error}): free some space, or choose"
                " another --home or --tracking-uri"
            ) from error


def missing_database(tracking_uri: str) -> Path | None:
    """The path of a URI's SQLite database, if that does not exist or is an empty file; else None."""
    if not tracking_uri.startswith(SQLITE):
        return None
    path = sqlite_path(tracking_uri)
    return None if path.exists() and path.stat().st_size > 0 else path


def new_database(tracking_uri: str) -> NewDatabase | None:
    """Create the SQLite database that a URI names, if it does not exist. Its file is not written yet.

    Returns:
        The database; None if it exists, and for a URI of another kind.

    Raises:
        InputError: MLflow cannot create it.
    """
    if (path := missing_database(tracking_uri)) is None:
        return None
    try:
        with TemporaryDirectory(prefix="cops-mlflow-") as folder:
            made = Path(folder, path.name)
            MlflowClient(sqlite_uri(made)).search_experiments(max_results=1)
            with closing(sqlite3.connect(made)) as connection:
                return NewDatabase(tracking_uri, path, connection.serialize())
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise InputError(
            f"MLflow cannot create a database ({reason}): free some space, or set --tracking-uri to a server"
        ) from error
