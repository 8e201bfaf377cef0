"""Which process runs a study: one driver at a time, and any other process can read which one it is.

In a folder of this machine the lease is a lock of the kernel (flock): it ends at once with its process,
for whatever reason that ends. In any other storage it is a file that its driver renews, with these limits.
A driver that died counts as running until its last renewal is `Timing.given_up_s` old. The clocks of the
machines must agree to within half of that. Object stores cannot compare and swap: of two drivers that
start within the same `Timing.settle_s`, the one that wrote last continues, and the other one is refused.
"""

import json
import os
import secrets
import socket
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from cops_core.errors import InputError
from study.records.store import StudyStore

# The files of one driver: its description, its lock, and the request that it stops.
DRIVER, LOCK, STOP = "driver.json", "driver.lock", "stop.json"
# A process that asks which driver runs a study has its lock for microseconds: a driver that starts waits.
PATIENCE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The times of a lease that is a file, in seconds.

    Attributes:
        renew_s: The interval between renewals.
        given_up_s: The age of the last renewal after which its driver counts as dead.
        settle_s: How long a new driver waits for others that started at the same time.
    """

    renew_s: float = 10.0
    given_up_s: float = 60.0
    settle_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A process that runs a study.

    Attributes:
        host: The name of its machine.
        pid: The number of the process.
        started: When the lease was taken, in seconds since 1970.
        renewed: When the lease was last renewed, in seconds since 1970.
        token: Identifies this lease.
    """

    host: str
    pid: int
    started: float
    renewed: float
    token: str

    def __str__(self) -> str:
        began, now = datetime.fromtimestamp(self.started), datetime.now()
        when = f"{began:%H:%M}" if began.date() == now.date() else f"{began:%Y-%m-%d %H:%M}"
        return f"process {self.pid} on {self.host} since {when}"


def driver(store: StudyStore, timing: Timing | None = None) -> Driver | None:
    """The process that runs the study now.

    Args:
        store: The study.
        timing: The times of a lease that is a file.

    Returns:
        The process; None if the study is not running.
    """
    if not store.is_local:
        found = _read(store)
        given_up_s = (timing or Timing()).given_up_s
        return None if found is None or time.time() - found.renewed > given_up_s else found
    for _ in range(10):
        if not _locked(store):
            return None
        if (found := _read(store)) is not None:
            return found
        time.sleep(0.05)  # it has the lock, and is about to write its description
    now = time.time()
    return Driver(host="an unknown machine", pid=0, started=now, renewed=now, token="")


def holder(store: StudyStore, timing: Timing | None = None) -> str | None:
    """The process that runs the study now, as text: `process 123 on host since 21:14`.

    Args:
        store: The study.
        timing: The times of a lease that is a file.

    Returns:
        The text; None if the study is not running.
    """
    found = driver(store, timing)
    return None if found is None else str(found)


class Lease:
    """The right to run a study, for a `with` block.

    Args:
        store: The study.
        timing: The times of a lease that is a file.

    Raises:
        InputError: On entering the block, if another driver has the lease, or the folder cannot be written.
    """

    def __init__(self, store: StudyStore, timing: Timing | None = None) -> None:
        now = time.time()
        self._me = Driver(
            host=socket.gethostname(), pid=os.getpid(), started=now, renewed=now, token=secrets.token_hex(8)
        )
        self._backend: _LeaseBackend = (
            _KernelLock(store, self._me)
            if store.is_local
            else _RenewedFile(store, self._me, timing or Timing())
        )

    @property
    def token(self) -> str:
        """The text that identifies this lease."""
        return self._me.token

    @property
    def lost(self) -> bool:
        """Whether another driver may run the study by now, so that nothing may be written any more.

        This never happens in a folder of this machine.
        """
        return self._backend.lost

    def __enter__(self) -> Self:
        self._backend.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.give_back()


class _LeaseBackend(ABC):
    """A lease in one kind of storage."""

    def __init__(self, store: StudyStore, me: Driver) -> None:
        self.store = store
        self.me = me

    @abstractmethod
    def take(self) -> None:
        """Take the lease.

        Raises:
            InputError: Another driver has it, or the folder cannot be written.
        """

    @abstractmethod
    def give_back(self) -> None:
        """End the lease, and remove this driver's files."""

    @property
    @abstractmethod
    def lost(self) -> bool:
        """Whether another driver may have it by now."""

    def refused(self, other: Driver | None, hint: str = "") -> InputError:
        """The error of a second driver."""
        name = self.store.name
        return InputError(
            f"study {name!r} is already run by {other or 'another process'}:"
            f" watch it with `cops status {name}`, stop it with `cops stop {name}`{hint}"
        )

    def unwritable(self, error: OSError) -> InputError:
        """The error where the lease cannot be written."""
        reason = (error.strerror or str(error)).splitlines()[0]
        return InputError(f"{self.store.path} cannot be written ({reason}): choose another --storage")

    def forget(self) -> None:
        """Remove the files of a driver that has ended."""
        for name in (STOP, DRIVER):
            self.store.delete(name)


class _KernelLock(_LeaseBackend):
    """A lease in a folder of this machine: a lock of the kernel, and a file that describes its driver."""

    def __init__(self, store: StudyStore, me: Driver) -> None:
        super().__init__(store, me)
        self._lock = _lock(store, PATIENCE_S)

    def take(self) -> None:
        try:
            self.store.make_folders()
            self._lock.acquire()
            self.forget()  # the files of a driver that was killed
            self.store.write_json(DRIVER, asdict(self.me))
        except Timeout:
            raise self.refused(driver(self.store)) from None
        except OSError as error:
            with suppress(OSError):
                self.store.discard()
            self._lock.release()
            raise self.unwritable(error) from None

    def give_back(self) -> None:
        try:
            with suppress(OSError):  # a full disk: the lock alone decides
                self.forget()
        finally:
            self._lock.release()

    @property
    def lost(self) -> bool:
        return False


class _RenewedFile(_LeaseBackend):
    """A lease in any other storage: a file that a thread renews."""

    def __init__(self, store: StudyStore, me: Driver, timing: Timing) -> None:
        super().__init__(store, me)
        self.timing = timing
        self._taken_over = False
        self._written = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {store.name}", daemon=True)

    def take(self) -> None:
        hint = f" (a driver that died counts as running for {self.timing.given_up_s:.0f} s)"
        try:
            if (other := driver(self.store, self.timing)) is not None:
                raise self.refused(other, hint)
            self.store.make_folders()
            self.store.delete(STOP)
            with suppress(FileNotFoundError):  # two drivers at once: the other one has moved the file
                self._write()
        except OSError as error:  # no such bucket, or no permission
            raise self.unwritable(error) from None
        time.sleep(self.timing.settle_s)
        if not self._is_mine():
            raise self.refused(driver(self.store, self.timing), hint)
        self._written = time.time()
        self._thread.start()

    def give_back(self) -> None:
        self._ending.set()
        self._thread.join()
        with suppress(OSError):  # the storage is unreachable: the lease expires by itself
            if self._is_mine():
                self.forget()

    @property
    def lost(self) -> bool:
        return self._taken_over or time.time() - self._written > self.timing.given_up_s

    def _renew(self) -> None:
        while not self._ending.wait(self.timing.renew_s):
            with suppress(OSError):  # the storage may be reachable again before another driver takes over
                if not self._is_mine():
                    self._taken_over = True
                    return
                self._write()

    def _write(self) -> None:
        now = time.time()
        self.store.write_json(DRIVER, {**asdict(self.me), "renewed": now})
        self._written = now

    def _is_mine(self) -> bool:
        found = _read(self.store)
        return found is not None and found.token == self.me.token


def _lock(store: StudyStore, timeout_s: float) -> FileLock:
    # Not per thread: a driver may end in another thread than the one that it started in.
    return FileLock(f"{store.path}/{LOCK}", timeout=timeout_s, thread_local=False)


def _locked(store: StudyStore) -> bool:
    """Whether a process has the study's lock."""
    if not store.has(LOCK):
        return False
    try:
        with _lock(store, 0.0):
            return False
    except Timeout:
        return True
    except OSError:  # a folder that may only be read: it has to suffice that a driver has written its file
        return store.has(DRIVER)


def _read(store: StudyStore) -> Driver | None:
    """The description that a driver wrote; None if it is missing or cannot be read."""
    try:
        return Driver(**json.loads(store.read(DRIVER)))
    except (FileNotFoundError, ValueError, TypeError):
        return None
