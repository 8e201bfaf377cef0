"""A home's database before it is served: from the storage's backup where the home has none."""

import sqlite3
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from cops_core.errors import InputError
from study.records.folder import Folder
from study.tracking.connect import connect
from study.tracking.server.backup import Backup
from study.tracking.server.database import DATABASE, FOLDER, damage, mark, owner


def prepare(home: Path, storage: str | None) -> bool:
    """Make the home's database ready to be served; whether it was restored.

    With a storage: restored from there if the home has none, and backed up there. InputError if the
    storage does not answer, or has the backup of another database.
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
    connect(f"sqlite:///{database}")
    if storage is not None:
        mark(database)
        backup = Backup(home, storage)
        try:
            backup.push()
        except OSError as error:
            raise _unreachable(error) from None
        except sqlite3.Error as error:
            raise InputError(f"{error}: move it away, and its backup is restored") from None
        finally:
            backup.close()
    return restored


def restore(home: Path, folder: Folder) -> bool:
    """Put the backup into a home that has no database; whether that was done.

    A database that is there is never touched. Raises InputError if it is damaged, or another than that of
    the backup, which would be lost to it; and if the backup itself is damaged, and all there is.
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
                    f"{folder.path}/{DATABASE} is damaged ({found}): move it away, and `cops resume NAME`"
                    " fills a new one"
                )
            _upgrade(backup)
            for rest in ("-journal", "-wal", "-shm"):  # of a database that is gone
                Path(f"{database}{rest}").unlink(missing_ok=True)
            backup.replace(database)
        finally:
            backup.unlink(missing_ok=True)
    return True


def _check_whole(database: Path) -> None:
    if (found := damage(database)) is not None:
        raise InputError(f"{database} is damaged ({found}): move it away, and its backup is restored")


def _another(folder: Folder, database: Path) -> InputError:
    return InputError(
        f"{folder.path}/{DATABASE} is the backup of another database than {database}: name another"
        " --storage, or move one of them away"
    )


def _upgrade(database: Path) -> None:
    """Bring a database to the schema of this MLflow, before anybody has opened it."""
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", f"sqlite:///{database}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise InputError(f"the backup cannot be brought to this MLflow's schema ({said[-1][:160]})")


def _unreachable(error: OSError) -> InputError:
    reason = " ".join(str(error).split())[:200]
    return InputError(f"the storage cannot be used ({reason}): see that it is there and may be written")
