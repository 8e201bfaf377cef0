"""A thread that brings something up to date with whatever was marked, and does not give up."""

import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

PAUSE_S = 1.0  # after a failure, before the same is tried again


class Reconciler(Generic[Key]):
    """Calls `push(key)` for every marked key, in the order of their marks.

    Marks of a key that waits already are one. A push that raises is repeated until it succeeds, and
    holds back all that was marked later: what has been pushed is always a prefix of what happened.
    `push` must therefore be repeatable, and read its key's state when it is called.
    """

    def __init__(self, name: str, push: Callable[[Key], None], pause_s: float = PAUSE_S) -> None:
        self._push = push
        self._pause_s = pause_s
        self._due: dict[Key, float] = {}
        self._changed = threading.Condition()
        self._busy = False
        self._pushed = 0
        self._ending = False
        self.failure: Exception | None = None  # of the last push; None once one has succeeded
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def mark(self, key: Key, delay_s: float = 0.0) -> None:
        """Have `key` pushed, at the latest after `delay_s` seconds; marks until then are one."""
        due = time.monotonic() + delay_s
        with self._changed:
            self._due[key] = min(self._due.get(key, due), due)
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Push all that is marked, without delay; whether that was done.

        It is given up after `timeout_s` seconds in which nothing was pushed: much may be left to push.
        """
        with self._changed:
            self._due = dict.fromkeys(self._due, 0.0)
            self._changed.notify_all()
            while self._due or self._busy:
                if not self._changed.wait_for(partial(self._moved_since, self._pushed), timeout_s):
                    return False
        return True

    def _moved_since(self, pushed: int) -> bool:
        return self._pushed > pushed or not (self._due or self._busy)

    def close(self, timeout_s: float) -> bool:
        """`drain`, then end the thread; what is left then is not pushed any more."""
        done = self.drain(timeout_s)
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return done

    def _run(self) -> None:
        while (key := self._next()) is not None:
            try:
                self._push(key)
            except Exception as error:  # a disk is full, a server is away: it may pass
                self._again(key, error)
            else:
                with self._changed:
                    self.failure = None
                    self._pushed += 1
                    self._busy = False
                    self._changed.notify_all()

    def _next(self) -> Key | None:
        """Wait for the first key that is due, and take it; None at the end."""
        with self._changed:
            while not self._ending:
                now = time.monotonic()
                for key, due in self._due.items():
                    if due <= now:
                        del self._due[key]
                        self._busy = True
                        return key
                wait = min(self._due.values(), default=now + 3600.0) - now
                self._changed.wait(wait)
        return None

    def _again(self, key: Key, error: Exception) -> None:
        """Put `key` back in front, and pause."""
        with self._changed:
            self.failure = error
            self._due = {key: 0.0, **self._due}
            self._busy = False
            self._changed.wait_for(lambda: self._ending, self._pause_s)
