"""`cops stop`: ends a running study cleanly, from another terminal."""

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

POLL_S = 0.2
# How often a driver looks for a request: a look costs microseconds in a folder, much more elsewhere.
LOCAL_LOOK_S, REMOTE_LOOK_S = 0.5, 10.0


def request_stop(store: StudyStore, console: Console, timeout_s: float) -> bool:
    """Ask the driver that runs the study to end, and wait for it; whether it ended in `timeout_s` seconds.

    The request names the driver that it is meant for: a later one never obeys it. Raises InputError if
    nobody runs the study.
    """
    name = store.name
    running = driver(store)
    if running is None:
        if not store.exists:
            raise no_study(store)
        raise InputError(
            f"nobody runs study {name!r}, so that nothing can be stopped: see `cops status {name}`"
        )
    store.write_json(STOP, {"token": running.token, "asked": time.time()})
    print_line(console, f"asked {running} to end study {name}")
    began = time.monotonic()
    while (now := driver(store)) is not None and now.token == running.token:
        if time.monotonic() - began > timeout_s:
            print_line(
                console,
                f"it has not ended within {timeout_s:.0f} s. The request stands, and it may still end;"
                f" kill process {running.pid} on {running.host} if it does not: `cops resume {name}` goes"
                " on from what was written",
            )
            return False
        time.sleep(POLL_S)
    if stop_requested(store, running.token):  # it was killed, and could not tidy up
        store.delete(STOP)
    print_line(console, f"study {name} has ended; `cops resume {name}` goes on with it")
    return True


def stop_requested(store: StudyStore, token: str) -> bool:
    """Whether the driver with this lease is asked to end. One look at a file's existence where it is not."""
    with suppress(OSError, ValueError, AttributeError):  # a storage that is away asks for nothing
        return store.has(STOP) and json.loads(store.read(STOP)).get("token") == token
    return False


class StopWatch(Observer):
    """Ends a running study when it is asked to, or when another driver has taken it over.

    stop: ends it, for the reason that it is given.
    """

    def __init__(self, store: StudyStore, lease: Lease, stop: Callable[[str], None]) -> None:
        self.store = store
        self.lease = lease
        self._stop = stop
        self._looked = time.monotonic()

    def tick(self) -> None:
        """Look, from time to time."""
        interval = LOCAL_LOOK_S if self.store.is_local else REMOTE_LOOK_S
        if time.monotonic() - self._looked < interval:
            return
        self._looked = time.monotonic()
        if stop_requested(self.store, self.lease.token):
            self._stop(f"it was asked to, by cops stop {self.store.name}")
        elif self.lease.lost:
            self._stop("another process has taken it over")
