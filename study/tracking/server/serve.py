"""`cops serve`: MLflow's server, kept running and backed up, until it is told to end."""

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
from study.tracking.server.restore import prepare
from study.tracking.server.served import Served
from study.tracking.server.supervise import start, stop


def serve(*, home: Path, storage: str | None, port: int, detach: bool, console: Console) -> int:
    """Serve the home's database; a server of the same home that runs already is replaced.

    Returns once the server answers if it is to be detached, else when it has ended: 0 if it was told to.
    """
    _check_linux()
    served = _served(home, storage, port)
    with _interrupted_by(signal.SIGTERM, signal.SIGHUP):
        with _alone(served):
            stop(served)
            check_free(port)
            restored = prepare(served.home, served.storage)
            supervisor = start(served)
        _say(console, served, restored, detach)
        return 0 if detach else _wait(supervisor, served)


def end(*, home: Path, console: Console) -> None:
    """End the server of a home, its last backup made. InputError if none runs."""
    _check_linux()
    served = _served(home, None, 0)
    with _alone(served):
        if not stop(served):
            raise InputError(f"no server of {served.home} runs here, so that nothing can be ended")
    print_line(console, "MLflow's server has ended")


def _check_linux() -> None:
    if not sys.platform.startswith("linux"):  # processes are found by /proc
        raise InputError("cops serve needs Linux: use cops ui")


def _served(home: Path, storage: str | None, port: int) -> Served:
    home = whole_path(home)
    uri = None if storage is None else storage_uri(home, storage)
    return Served(home=home, storage=uri, port=port)


@contextmanager
def _alone(served: Served) -> Iterator[None]:
    """One command at a time begins or ends the server of a home. InputError leaves no new folder behind."""
    new = missing_folders(served.folder)
    try:
        served.folder.mkdir(parents=True, exist_ok=True)
        served.folder.chmod(0o700)
    except OSError as error:
        raise InputError(
            f"home {served.home} cannot be written ({error.strerror}): choose another with --home"
        ) from None
    lock = served.folder / "serve.lock"
    with FileLock(lock):
        try:
            yield
        except InputError:
            if new:
                lock.unlink()  # it is still held: whoever waits for it makes a new one
                remove_empty(new)
            raise


@contextmanager
def _interrupted_by(*signals: signal.Signals) -> Iterator[None]:
    """These end this process as Ctrl-C does: what it started has to be ended too."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(supervisor: "subprocess.Popen[bytes]", served: Served) -> int:
    try:
        supervisor.wait()
    except KeyboardInterrupt:
        stop(served)
        return 0
    return 0 if supervisor.returncode == 0 else 1  # ended by another command, or killed


def _say(console: Console, served: Served, restored: bool, detach: bool) -> None:
    if restored:
        print_line(console, f"restored {DATABASE} from its backup")
    kept = (
        "" if served.storage is None else f", backed up to {served.storage}/{FOLDER} every {INTERVAL_S:.0f} s"
    )
    print_line(console, f"MLflow on http://127.0.0.1:{served.port}{kept}")
    home = shlex.quote(str(served.home))
    print_line(console, f"end it with cops serve --stop --home {home}" if detach else "end it with Ctrl-C")
