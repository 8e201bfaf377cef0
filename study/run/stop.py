"""`cops stop`: stops a running study cleanly, from another terminal."""

import json
import time
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from cops_core.errors import InputError
from study.console import print_line
from study.records.lease import STOP, Lease, driver
from study.records.observer import Observer
from study.records.store import StudyStore, no_study

POLL_S = 0.2  # how often the command checks whether the study has ended
# How often a driver checks for a request. In a folder this takes microseconds, elsewhere much longer.
LOCAL_POLL_S, REMOTE_POLL_S = 0.5, 10.0


def request_stop(store: StudyStore, console: Console, timeout_s: float) -> bool:
    """Ask the study's driver to stop, and wait for it.

    The request contains the driver's token, so that a later driver ignores it.

    Args:
        store: The study's folder.
        console: Receives the messages.
        timeout_s: How long to wait, in seconds.

    Returns:
        Whether the study ended in this time.

    Raises:
        InputError: There is no such study, or it is not running.
    """
    name = store.name
    running = driver(store)
    if running is None:
        if not store.exists:
            raise no_study(store)
        raise InputError(f"study {name!r} is not running: see `cops status {name}`")
    store.write_json(STOP, {"token": running.token, "asked": time.time()})
    print_line(console, f"asked {running} to stop study {name}")
    start = time.monotonic()
    while (now := driver(store)) is not None and now.token == running.token:
        if time.monotonic() - start > timeout_s:
            print_line(
                console,
                f"study {name} has not ended within {timeout_s:.0f} s. It may still end, since the request is"
                f" kept. If it does not, kill process {running.pid} on {running.host}: `cops resume {name}`"
                " continues from the records",
            )
            return False
        time.sleep(POLL_S)
    if stop_requested(store, running.token):  # it was killed before it removed the request
        store.delete(STOP)
    print_line(console, f"study {name} has ended; `cops resume {name}` continues it")
    return True


def stop_requested(store: StudyStore, token: str) -> bool:
    """Whether the driver is asked to stop. Without a request this only checks that a file does not exist.

    Args:
        store: The study's folder.
        token: Of the driver's lease.
    """
    # Without an answer from the storage there is no request.
    with suppress(OSError, ValueError, AttributeError):
        return store.has(STOP) and json.loads(store.read(STOP)).get("token") == token
    return False


class StopWatch(Observer):
    """Stops a running study after a request, or when another driver has taken it over.

    Args:
        store: The study's folder.
        lease: Of this driver.
        stop: Stops the study; its argument is the reason.
    """

    def __init__(self, store: StudyStore, lease: Lease, stop: Callable[[str], None]) -> None:
        self.store = store
        self.lease = lease
        self._stop = stop
        self._checked = time.monotonic()

    def tick(self) -> None:
        """Check from time to time."""
        interval = LOCAL_POLL_S if self.store.is_local else REMOTE_POLL_S
        if time.monotonic() - self._checked < interval:
            return
        self._checked = time.monotonic()
        if stop_requested(self.store, self.lease.token):
            self._stop(f"it was stopped by cops stop {self.store.name}")
        elif self.lease.lost:
            self._stop("another process has taken it over")
