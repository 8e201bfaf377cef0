"""A server's processes: the settings that they receive, how they are found, and how they are ended.

The settings are passed in the environment: other users can read a process's command, and files. The home in
the environment also identifies the processes (Linux).
"""

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

HOME, STORAGE, PORT = "COPS_SERVED_HOME", "COPS_SERVED_STORAGE", "COPS_SERVED_PORT"
# In this variable supervisor passes the name of its program to each process.
PROGRAM = "SUPERVISOR_PROCESS_NAME"
POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """The settings of a home's server.

    Attributes:
        home: Absolute.
        storage: A URI or an absolute folder; None for a home without backups.
        port: The port of 127.0.0.1.
    """

    home: Path
    storage: str | None
    port: int

    @property
    def folder(self) -> Path:
        """The folder of the server's logs and of supervisor's files."""
        return self.home / "server"

    @property
    def required_storage(self) -> str:
        """The storage, for processes that only run with a storage."""
        assert self.storage is not None
        return self.storage

    def environment(self) -> dict[str, str]:
        """The settings as environment variables, as `of_this_process` reads them."""
        storage = {} if self.storage is None else {STORAGE: self.storage}
        return {HOME: str(self.home), PORT: str(self.port), **storage}

    @classmethod
    def of_this_process(cls) -> Self:
        """The settings that this process received."""
        return cls(home=Path(os.environ[HOME]), storage=os.environ.get(STORAGE), port=int(os.environ[PORT]))


def processes(home: Path, program: str | None = None) -> set[int]:
    """The process ids of a home's server, without this process.

    Args:
        home: Absolute.
        program: One of supervisor's programs; None for all of them and supervisor itself.
    """
    wanted = {HOME: str(home), **({} if program is None else {PROGRAM: program})}
    found = {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _has(entry, wanted)}
    return found - {os.getpid()}


def _has(process: Path, wanted: Mapping[str, str]) -> bool:
    """Whether a process was started with these variables. False if it has ended, or is another user's."""
    with suppress(OSError):
        given = (process / "environ").read_bytes().split(b"\0")
        return all(f"{name}={value}".encode() in given for name, value in wanted.items())
    return False


def end(home: Path, pids: set[int], patience_s: float) -> None:
    """End processes of a home's server with SIGTERM, and wait; kill those that have not ended in time.

    Args:
        home: Absolute.
        pids: The processes.
        patience_s: How long to wait before they are killed, in seconds.
    """
    for number, wait_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 10.0)):
        for pid in pids & processes(home):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait_s
        while pids & processes(home):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        else:
            return
