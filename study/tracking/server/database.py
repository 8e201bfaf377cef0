"""MLflow's SQLite database as a file: is it whole, and whose is it?

Whose it is says a number in its header that SQLite leaves to users (`user_version`), drawn once: a
database, its backup and what is restored from it have the same.
"""

import secrets
import sqlite3
from contextlib import closing
from pathlib import Path

DATABASE = "mlflow.db"
# Of a storage: what belongs to MLflow. No study can have the name, which begins with a letter or digit.
FOLDER = "_mlflow"


def open_database(path: Path) -> sqlite3.Connection:
    """A connection to a database that is there. sqlite3.Error if it is not, or is none.

    It may write: what a killed server left undone is rolled back by whoever reads next.
    """
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=20)


def damage(path: Path) -> str | None:
    """What is wrong with MLflow's database; None if it is whole."""
    try:
        with closing(open_database(path)) as connection:
            (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else str(found).splitlines()[-1]


def owner(path: Path) -> int:
    """The number that a database shares with its backups; 0 if it was never given one."""
    with closing(open_database(path)) as connection:
        (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def mark(path: Path) -> None:
    """Give the database its number, if it has none."""
    if owner(path) == 0:
        with closing(open_database(path)) as connection:
            connection.execute(f"PRAGMA user_version = {1 + secrets.randbelow(2**31 - 1)}")
