"""Prepares a home's database for the server: restored from the backup if the home has none."""

import sqlite3
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from cops_core.errors import InputError
from study.places import sqlite_uri
from study.records.folder import Folder
from study.tracking.connect import connect
from study.tracking.server.backup import Backup
from study.tracking.server.database import DATABASE, FOLDER, damage, mark, owner


def prepare(home: Path, storage: str | None) -> bool:
    """Prepare the home's database for the server.

    With a storage, a missing database is restored from its backup, and then backed up.

    Args:
        home: The home of the database.
        storage: A folder or a URI; None for a home without backups.

    Returns:
        Whether it was restored.

    Raises:
        InputError: The storage does not answer, or has the backup of another database.
    """
    database = home / DATABASE
    restored = False
    if storage is not None:
        try:
            folder = Folder(storage, FOLDER)
            folder.check_writable()
            restored = restore(home, folder)
        except OSError as error:
            raise _unreachable(error) from None
    connect(sqlite_uri(database))
    if storage is not None:
        mark(database)
        backup = Backup(home, storage)
        try:
            backup.push()
        except OSError as error:
            raise _unreachable(error) from None
        except sqlite3.Error as error:
            raise InputError(f"{error}: move it away, and start again to restore its backup") from None
        finally:
            backup.close()
    return restored


def restore(home: Path, folder: Folder) -> bool:
    """Restore the backup into a home without a database. An existing database is never changed.

    Args:
        home: The home of the database.
        folder: The folder of the backup.

    Returns:
        Whether the backup was restored.

    Raises:
        InputError: The home's database is damaged; or it is not the database of the backup, which would
            be overwritten; or the home has none and the backup is damaged.
    """
    database = home / DATABASE
    with FileLock(f"{database}.lock"):
        if not folder.has(DATABASE):
            return False
        backup = home / "server" / "restored.db"
        backup.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            backup.write_bytes(folder.read(DATABASE))
            found = damage(backup)
            if database.exists():
                _check_whole(database)
                if found is None and owner(database) != owner(backup):
                    raise _another(folder, database)
                return False
            if found is not None:
                raise InputError(
                    f"{folder.path}/{DATABASE} is damaged ({found}): move it away, and run `cops resume NAME`"
                    " to fill a new one"
                )
            _upgrade(backup)
            for rest in ("-journal", "-wal", "-shm"):  # of a deleted database
                Path(f"{database}{rest}").unlink(missing_ok=True)
            backup.replace(database)
        finally:
            backup.unlink(missing_ok=True)
    return True


def _check_whole(database: Path) -> None:
    if (found := damage(database)) is not None:
        raise InputError(
            f"{database} is damaged ({found}): move it away, and start again to restore its backup"
        )


def _another(folder: Folder, database: Path) -> InputError:
    return InputError(
        f"{folder.path}/{DATABASE} is not a backup of {database}, but of another database: choose another"
        " --storage, or move one of them away"
    )


def _upgrade(database: Path) -> None:
    """Upgrade a database to the schema of the installed MLflow, before any process opens it."""
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", sqlite_uri(database)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise InputError(f"the backup cannot be upgraded to the schema of this MLflow ({said[-1][:160]})")


def _unreachable(error: OSError) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(f"the storage cannot be used ({reason}): check that it exists and can be written")
