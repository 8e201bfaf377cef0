"""Backups of MLflow's database in the studies' storage, made while the server writes to it.

A copy shows one moment (SQLite's online backup). It is checked, and written completely or not at all: so
STORAGE/_mlflow/mlflow.db is a valid database at any time. `python -m study.tracking.server.backup` is the
process that makes a copy every 30 s, and a last one when it receives SIGTERM.
"""

import logging
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from study.records.folder import Folder
from study.tracking.server.database import DATABASE, FOLDER, damage, open_database, owner
from study.tracking.server.processes import ServerSettings

INTERVAL_S = 30.0


class Backup:
    """Copies a home's database to `STORAGE/_mlflow/`. A storage has one of these at a time."""

    def __init__(self, home: Path, storage: str) -> None:
        self.database = home / DATABASE
        self.folder = Folder(storage, FOLDER)
        self._copy = home / "server" / "backup.db"
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._version: int | None = None
        self._owner: int | None = None  # of the database that is backed up, see `database.mark`

    def push(self) -> bool:
        """Write a copy, if the database has changed since the last one.

        Returns:
            Whether the database has changed.

        Raises:
            sqlite3.Error: The database is damaged, or is not the one that the server started with. It never
                replaces a good copy.
            OSError: The storage cannot be written.
        """
        source = self._open()
        # It changes with every commit of other processes. A commit after this line is in the next copy.
        (version,) = source.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return False
        self._copy.parent.mkdir(mode=0o700, exist_ok=True)
        self._copy.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(self._copy)) as target:
                # In one step: with pauses it would start again at every commit. sleep: seconds until a retry.
                source.backup(target, sleep=0.005)
            if (found := damage(self._copy)) is not None:
                raise sqlite3.DatabaseError(f"{self.database} is damaged ({found})")
            mine = owner(self._copy)
            if self._owner is None:
                self._owner = self._owner_of_the_backup() or mine
            if mine == 0 or mine != self._owner:
                raise sqlite3.DatabaseError(
                    f"{self.database} is not the database that the server started with"
                )
            self.folder.make()
            self.folder.write(DATABASE, self._copy.read_bytes())
        finally:
            self._copy.unlink(missing_ok=True)
        self._version = version
        return True

    def _owner_of_the_backup(self) -> int:
        """The owner number of the copy in the storage; 0 if there is none."""
        try:
            header = self.folder.read(DATABASE)[:100]
        except FileNotFoundError:
            return 0
        # The position of `PRAGMA user_version` in SQLite's file format.
        return int.from_bytes(header[60:64], "big", signed=True) if header.startswith(b"SQLite") else 0

    def _open(self) -> sqlite3.Connection:
        """A connection to the file that now has the database's name."""
        if not self.database.exists():
            raise sqlite3.OperationalError(f"{self.database} does not exist any more")
        status = self.database.stat()
        file = (status.st_dev, status.st_ino)
        if self._connection is None or file != self._file:
            self.close()
            self._connection, self._file, self._version = open_database(self.database), file, None
        return self._connection

    def close(self) -> None:
        """Close the connection to the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def keep(backup: Backup, ending: threading.Event, log: logging.Logger) -> bool:
    """Make copies until `ending` is set, and a last one then.

    A failure is logged, and the copy is tried again: the storage may be available again.

    Args:
        backup: Makes the copies.
        ending: Ends the loop.
        log: Where failures are logged.

    Returns:
        Whether the last copy is in the storage.
    """
    while True:
        last = ending.wait(0)
        try:
            backup.push()
            done = True
        except (sqlite3.Error, OSError) as error:
            log.warning("no backup: %s", " ".join(str(error).split()))
            done = False
        if last:
            return done
        ending.wait(INTERVAL_S)


def main() -> int:
    """Run the process. Its exit code is 0 if the last copy was made."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    server = ServerSettings.of_this_process()
    backup = Backup(server.home, server.required_storage)
    return 0 if keep(backup, ending, logging.getLogger("backup")) else 1


if __name__ == "__main__":
    raise SystemExit(main())
