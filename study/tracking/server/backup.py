"""MLflow's database kept in the studies' storage while the server writes to it.

A copy is of one moment (SQLite's online backup), checked, and written whole or not at all, so that
STORAGE/_mlflow/mlflow.db is a good database at any time. `python -m study.tracking.server.backup` is the
process that makes one every 30 s, and a last one when it is told to end.
"""

import logging
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from study.records.folder import Folder
from study.tracking.server.database import DATABASE, FOLDER, damage, open_database, owner
from study.tracking.server.served import Served

INTERVAL_S = 30.0


class Backup:
    """Copies a home's database to `STORAGE/_mlflow/`. One at a time for each storage."""

    def __init__(self, home: Path, storage: str) -> None:
        self.database = home / DATABASE
        self.folder = Folder(storage, FOLDER)
        self._copy = home / "server" / "backup.db"
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._version: int | None = None
        self._owner: int | None = None  # of the database that is backed up, see `database.mark`

    def push(self) -> bool:
        """Write a copy, if the database has changed since the last one; whether that was so.

        A damaged database, or another than the one that was served, never replaces a good copy:
        sqlite3.Error. OSError if the storage does not take it.
        """
        source = self._open()
        # It changes with every commit of others; one that comes after this line is in the next copy.
        (version,) = source.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return False
        self._copy.parent.mkdir(mode=0o700, exist_ok=True)
        self._copy.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(self._copy)) as target:
                # In one step: one that pauses begins anew with every commit. sleep: until it may read.
                source.backup(target, sleep=0.005)
            if (found := damage(self._copy)) is not None:
                raise sqlite3.DatabaseError(f"{self.database} is damaged ({found})")
            mine = owner(self._copy)
            if self._owner is None:
                self._owner = self._owner_of_the_backup() or mine
            if mine == 0 or mine != self._owner:
                raise sqlite3.DatabaseError(f"{self.database} is not the database that was served")
            self.folder.make()
            self.folder.write(DATABASE, self._copy.read_bytes())
        finally:
            self._copy.unlink(missing_ok=True)
        self._version = version
        return True

    def _owner_of_the_backup(self) -> int:
        """Of the copy that is in the storage; 0 if there is none."""
        try:
            header = self.folder.read(DATABASE)[:100]
        except FileNotFoundError:
            return 0
        # `PRAGMA user_version` lies there in SQLite's file format.
        return int.from_bytes(header[60:64], "big", signed=True) if header.startswith(b"SQLite") else 0

    def _open(self) -> sqlite3.Connection:
        """A connection to the file that has the database's name now."""
        if not self.database.exists():
            raise sqlite3.OperationalError(f"{self.database} is gone")
        status = self.database.stat()
        file = (status.st_dev, status.st_ino)
        if self._connection is None or file != self._file:
            self.close()
            self._connection, self._file, self._version = open_database(self.database), file, None
        return self._connection

    def close(self) -> None:
        """Leave the database alone."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def keep(backup: Backup, ending: threading.Event, log: logging.Logger) -> bool:
    """Make copies until `ending` is set, and one then; whether the last one is in the storage.

    What fails is said and tried again: the storage may come back.
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
    """The process; its exit code says whether the last copy was made."""
    logging.basicConfig(format="%(asctime)s %(message)s")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    served = Served.of_this_process()
    backup = Backup(served.home, served.storage_given)
    return 0 if keep(backup, ending, logging.getLogger("backup")) else 1


if __name__ == "__main__":
    raise SystemExit(main())
