"""What a server's processes are told, in their environment: which home, storage and port.

Not in the words by which they are started, nor in a file: these are read by others. By the home's
name in the environment they are also found again (Linux).
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
# Supervisor tells each process which of its programs it is.
PROGRAM = "SUPERVISOR_PROCESS_NAME"
POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Served:
    """home: absolute. storage: a URI or an absolute folder, None for a home without backups."""

    home: Path
    storage: str | None
    port: int

    @property
    def folder(self) -> Path:
        """What the server writes beside the database: logs, supervisor's files."""
        return self.home / "server"

    @property
    def storage_given(self) -> str:
        """The storage, for what only a served storage needs."""
        assert self.storage is not None
        return self.storage

    def environment(self) -> dict[str, str]:
        """This, as `of_this_process` reads it."""
        storage = {} if self.storage is None else {STORAGE: self.storage}
        return {HOME: str(self.home), PORT: str(self.port), **storage}

    @classmethod
    def of_this_process(cls) -> Self:
        """What this process was told."""
        return cls(home=Path(os.environ[HOME]), storage=os.environ.get(STORAGE), port=int(os.environ[PORT]))


def processes(home: Path, program: str | None = None) -> set[int]:
    """Processes of a home's server, this one excluded: supervisor's and its programs', or one program's."""
    wanted = {HOME: str(home), **({} if program is None else {PROGRAM: program})}
    found = {int(entry.name) for entry in Path("/proc").glob("[0-9]*") if _has(entry, wanted)}
    return found - {os.getpid()}


def _has(process: Path, wanted: Mapping[str, str]) -> bool:
    """Whether a process began with these in its environment. Never one that has ended, or another's."""
    with suppress(OSError):
        given = (process / "environ").read_bytes().split(b"\0")
        return all(f"{name}={value}".encode() in given for name, value in wanted.items())
    return False


def end(home: Path, pids: set[int], patience_s: float) -> None:
    """Tell processes of a home's server to end, and wait for them; kill those that have not in time."""
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
