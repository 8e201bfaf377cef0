"""`cops serve`: MLflow's server, restarted when it dies and backed up, until it is stopped."""

import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from filelock import FileLock
from rich.console import Console

from cops_core.errors import InputError
from cops_core.folders import missing_folders, remove_empty
from study.console import print_line
from study.places import storage_uri, whole_path
from study.tracking.server.backup import INTERVAL_S
from study.tracking.server.command import check_free
from study.tracking.server.database import DATABASE, FOLDER
from study.tracking.server.processes import ServerSettings
from study.tracking.server.restore import prepare
from study.tracking.server.supervise import start, stop


def serve(*, home: Path, storage: str | None, port: int, detach: bool, console: Console) -> int:
    """Serve the home's database. A running server of the same home is replaced.

    Args:
        home: The home of the database.
        storage: Where the database is backed up, a folder or a URI; None for no backups.
        port: The port of 127.0.0.1.
        detach: Whether to return as soon as the server answers. Otherwise this waits until it has ended.
        console: Where the address is printed.

    Returns:
        The exit code: 0 if the server is detached or was stopped.

    Raises:
        InputError: The port, the home or the storage cannot be used.
    """
    _check_linux()
    server = _settings(home, storage, port)
    with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
        with _locked(server):
            stop(server)
            check_free(port)
            restored = prepare(server.home, server.storage)
            supervisor = start(server)
        _say(console, server, restored, detach)
        return 0 if detach else _wait(supervisor, server)


def end(*, home: Path, console: Console) -> None:
    """End the server of a home, after a last backup.

    Raises:
        InputError: None is running.
    """
    _check_linux()
    server = _settings(home, None, 0)
    with _locked(server):
        if not stop(server):
            raise InputError(f"no server of {server.home} is running on this machine")
    print_line(console, "MLflow's server has ended")


def _check_linux() -> None:
    if not sys.platform.startswith("linux"):  # processes are found by /proc
        raise InputError("cops serve needs Linux: run cops ui")


def _settings(home: Path, storage: str | None, port: int) -> ServerSettings:
    home = whole_path(home)
    uri = None if storage is None else storage_uri(home, storage)
    return ServerSettings(home=home, storage=uri, port=port)


@contextmanager
def _locked(server: ServerSettings) -> Iterator[None]:
    """One command at a time starts or ends a home's server. On an InputError new folders are removed."""
    new = missing_folders(server.folder)
    try:
        server.folder.mkdir(parents=True, exist_ok=True)
        server.folder.chmod(0o700)
    except OSError as error:
        raise InputError(
            f"home {server.home} cannot be written ({error.strerror}): choose another --home"
        ) from None
    lock = server.folder / "serve.lock"
    with FileLock(lock):
        try:
            yield
        except InputError:
            if new:
                lock.unlink()  # still locked: a waiting command creates a new file
                remove_empty(new)
            raise


@contextmanager
def _interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    """Handle these signals like Ctrl-C, so that the started processes are ended, too."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _wait(supervisor: "subprocess.Popen[bytes]", server: ServerSettings) -> int:
    try:
        supervisor.wait()
    except KeyboardInterrupt:
        stop(server)
        return 0
    return 0 if supervisor.returncode == 0 else 1  # stopped by another command, or killed


def _say(console: Console, server: ServerSettings, restored: bool, detach: bool) -> None:
    if restored:
        print_line(console, f"restored {DATABASE} from its backup")
    backed_up = (
        "" if server.storage is None else f", backed up to {server.storage}/{FOLDER} every {INTERVAL_S:.0f} s"
    )
    print_line(console, f"MLflow on http://127.0.0.1:{server.port}{backed_up}")
    home = shlex.quote(str(server.home))
    print_line(console, f"end it with cops serve --stop --home {home}" if detach else "end it with Ctrl-C")
