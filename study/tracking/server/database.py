"""MLflow's SQLite database as a file: is it intact, and which database is it?

A number in its header identifies it. SQLite leaves this number to users (`user_version`). It is drawn once: a
database, its backup and a database that is restored from the backup have the same number.
"""

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

DATABASE = "mlflow.db"
# MLflow's folder in a storage. It is never a study's: names of studies start with a letter or digit.
FOLDER = "_mlflow"


def open_database(path: Path) -> sqlite3.Connection:
    """A connection to an existing database.

    It may write, since the next reader rolls back the unfinished transaction of a killed server.

    Raises:
        sqlite3.Error: The file does not exist, or is not a database.
    """
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=20)


def damage(path: Path) -> str | None:
    """What is wrong with MLflow's database; None if it is intact."""
    try:
        with closing(open_database(path)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else str(found).splitlines()[-1]


def owner(path: Path) -> int:
    """The number that a database shares with its backups; 0 if it has none."""
    with closing(open_database(path)) as connection:
        (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def mark(path: Path) -> None:
    """Give the database its number, if it has none."""
    if owner(path) == 0:
        with closing(open_database(path)) as connection:
            connection.execute(f"PRAGMA user_version = {1 + secrets.randbelow(2**31 - 1)}")
