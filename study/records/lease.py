"""Who runs a study: one driver at a time, and everybody can see which.

In a folder of this machine the kernel keeps the lease (flock): it ends with its process, however that
ends, and at once. In any other storage it is a file that its holder renews. Limits there: a driver that
died counts as running until its last renewal is `Timing.given_up_s` old; the clocks of the machines must
agree to within half of that; and object stores cannot compare and swap, so that of two drivers which
begin within the same `Timing.settle_s` the one that wrote last goes on, and the other yields.
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

# What belongs to one driver: who it is, its lock, and the request that it end.
DRIVER, LOCK, STOP = "driver.json", "driver.lock", "stop.json"
# Whoever asks who runs a study holds its lock for microseconds: a driver that begins just then waits.
PATIENCE_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Of a lease that is a file, in seconds: how often it is renewed, and what its end and beginning take."""

    renew_s: float = 10.0
    given_up_s: float = 60.0
    settle_s: float = 2.0


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A process that runs a study. started, renewed: seconds since 1970. token: of this lease alone."""

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
    """The process that runs the study now; None if nobody does."""
    if not store.is_local:
        found = _read(store)
        given_up_s = (timing or Timing()).given_up_s
        return None if found is None or time.time() - found.renewed > given_up_s else found
    for _ in range(10):
        if not _locked(store):
            return None
        if (found := _read(store)) is not None:
            return found
        time.sleep(0.05)  # it has the lock, and is about to say who it is
    now = time.time()
    return Driver(host="a machine that does not say so", pid=0, started=now, renewed=now, token="")


def holder(store: StudyStore, timing: Timing | None = None) -> str | None:
    """Who runs the study now: `process 123 on host since 21:14`; None if nobody does."""
    found = driver(store, timing)
    return None if found is None else str(found)


class Lease:
    """The right to run a study, for a `with` block. Entering raises InputError if another has it.

    token: tells this lease from all others. lost: whether another may run the study by now, so that
    nothing must be written any more. Never in a folder of this machine.
    """

    def __init__(self, store: StudyStore, timing: Timing | None = None) -> None:
        now = time.time()
        self._me = Driver(
            host=socket.gethostname(), pid=os.getpid(), started=now, renewed=now, token=secrets.token_hex(8)
        )
        self._held: _Held = (
            _Locked(store, self._me) if store.is_local else _Renewed(store, self._me, timing or Timing())
        )

    @property
    def token(self) -> str:
        """Tells this lease from all others."""
        return self._me.token

    @property
    def lost(self) -> bool:
        """Whether another may run the study by now."""
        return self._held.lost

    def __enter__(self) -> Self:
        self._held.take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.give_back()


class _Held(ABC):
    """How a lease is held in one kind of storage."""

    def __init__(self, store: StudyStore, me: Driver) -> None:
        self.store = store
        self.me = me

    @abstractmethod
    def take(self) -> None:
        """Take it; InputError if another has it."""

    @abstractmethod
    def give_back(self) -> None:
        """End it, with all that belongs to this driver."""

    @property
    @abstractmethod
    def lost(self) -> bool:
        """Whether another may have it by now."""

    def refused(self, other: Driver | None, hint: str = "") -> InputError:
        """What a second driver is told."""
        name = self.store.name
        return InputError(
            f"study {name!r} is being run by {other or 'another process'}:"
            f" watch it with `cops status {name}`, end it with `cops stop {name}`{hint}"
        )

    def unwritable(self, error: OSError) -> InputError:
        """What is said of a place that does not take the lease."""
        reason = (error.strerror or str(error)).splitlines()[0]
        return InputError(f"{self.store.path} cannot be written ({reason}): name another --storage")

    def forget(self) -> None:
        """Remove the files of a driver that has ended."""
        for name in (STOP, DRIVER):
            self.store.delete(name)


class _Locked(_Held):
    """In a folder: a lock of the kernel, beside a file that says whose it is."""

    def __init__(self, store: StudyStore, me: Driver) -> None:
        super().__init__(store, me)
        self._lock = _lock(store, PATIENCE_S)

    def take(self) -> None:
        try:
            self.store.make_folders()
            self._lock.acquire()
            self.forget()  # of a driver that was killed
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
            with suppress(OSError):  # a full disk; the lock is what counts
                self.forget()
        finally:
            self._lock.release()

    @property
    def lost(self) -> bool:
        return False


class _Renewed(_Held):
    """Anywhere else: a file that a thread renews."""

    def __init__(self, store: StudyStore, me: Driver, timing: Timing) -> None:
        super().__init__(store, me)
        self.timing = timing
        self._taken_over = False
        self._written = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._renew, name=f"lease {store.name}", daemon=True)

    def take(self) -> None:
        hint = f" (a driver that died counts as gone after {self.timing.given_up_s:.0f} s)"
        try:
            if (other := driver(self.store, self.timing)) is not None:
                raise self.refused(other, hint)
            self.store.make_folders()
            self.store.delete(STOP)
            with suppress(FileNotFoundError):  # two at once: the other one has moved the file into place
                self._write()
        except OSError as error:  # no such bucket, or one that may not be written
            raise self.unwritable(error) from None
        time.sleep(self.timing.settle_s)
        if not self._is_mine():
            raise self.refused(driver(self.store, self.timing), hint)
        self._written = time.time()
        self._thread.start()

    def give_back(self) -> None:
        self._ending.set()
        self._thread.join()
        with suppress(OSError):  # the storage is away: the lease runs out by itself
            if self._is_mine():
                self.forget()

    @property
    def lost(self) -> bool:
        return self._taken_over or time.time() - self._written > self.timing.given_up_s

    def _renew(self) -> None:
        while not self._ending.wait(self.timing.renew_s):
            with suppress(OSError):  # the storage may come back before others take it over
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
    # Not per thread: a driver may end in another thread than it began in.
    return FileLock(f"{store.path}/{LOCK}", timeout=timeout_s, thread_local=False)


def _locked(store: StudyStore) -> bool:
    """Whether a process holds the study's lock."""
    if not store.has(LOCK):
        return False
    try:
        with _lock(store, 0.0):
            return False
    except Timeout:
        return True
    except OSError:  # somebody else's folder, which may only be read: what its driver wrote must do
        return store.has(DRIVER)


def _read(store: StudyStore) -> Driver | None:
    """What a driver wrote about itself; None if there is nothing that can be read."""
    try:
        return Driver(**json.loads(store.read(DRIVER)))
    except (FileNotFoundError, ValueError, TypeError):
        return None
