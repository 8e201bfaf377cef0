"""A new SQLite database of MLflow: made in a temporary folder, and placed complete.

MLflow needs seconds to make one, and a second process that opens it meanwhile corrupts it. Besides, a study
may be refused while it is made, and then nothing may be left.
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
from study.places import SQLITE


@dataclass(frozen=True)
class NewDatabase:
    """A database without any run. content: of the file that `place` writes to `path`, which the URI names."""

    tracking_uri: str
    path: Path
    content: bytes

    def place(self) -> None:
        """Write the file, unless another process was faster. InputError if that fails."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock"):
                if missing_database(self.tracking_uri):
                    write_whole(self.path, self.content)
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written ({error.strerror or error}): make room, or choose another"
                " --home or --tracking-uri"
            ) from error


def missing_database(tracking_uri: str) -> Path | None:
    """The SQLite database that a URI names, if it does not exist; an empty file is none to SQLite."""
    if not tracking_uri.startswith(SQLITE):
        return None
    path = Path(tracking_uri.removeprefix(SQLITE))
    return None if path.exists() and path.stat().st_size > 0 else path


def new_database(tracking_uri: str) -> NewDatabase | None:
    """The database that a URI names, if it does not exist; nothing is written there. None for any other URI.

    Raises:
        InputError: MLflow cannot make one.
    """
    if (path := missing_database(tracking_uri)) is None:
        return None
    try:
        with TemporaryDirectory(prefix="cops-mlflow-") as folder:
            made = Path(folder, path.name)
            MlflowClient(f"{SQLITE}{made}").search_experiments(max_results=1)
            with closing(sqlite3.connect(made)) as connection:
                return NewDatabase(tracking_uri, path, connection.serialize())
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:160]
        raise InputError(
            f"MLflow cannot make a new database ({reason}): make room, or name a server with --tracking-uri"
        ) from error
