"""A thread that updates a target for each marked key, and repeats what fails until it succeeds."""

import threading
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

PAUSE_S = 1.0  # after a failure, before the same key is pushed again


class Reconciler(Generic[Key]):
    """Calls `push(key)` for every marked key, in the order of their marks.

    A key that is marked again while it waits is pushed once. A push that raises is repeated until it
    succeeds, and everything that was marked later waits for it: what has been pushed is always a prefix of
    what happened. `push` must therefore be repeatable, and read its key's state when it is called.

    Args:
        name: The name of the thread.
        push: Sets the target to the present state of a key.
        pause_s: Seconds after a failure, before the same key is pushed again.

    Attributes:
        failure: The error of the last push; None once a push has succeeded.
    """

    def __init__(self, name: str, push: Callable[[Key], None], pause_s: float = PAUSE_S) -> None:
        self._push = push
        self._pause_s = pause_s
        self._due: dict[Key, float] = {}
        self._changed = threading.Condition()
        self._busy = False
        self._pushed = 0
        self._ending = False
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def mark(self, key: Key, delay_s: float = 0.0) -> None:
        """Request that `key` is pushed.

        Args:
            key: What has changed.
            delay_s: The push may wait for this many seconds; marks of the key until then are one.
        """
        due = time.monotonic() + delay_s
        with self._changed:
            self._due[key] = min(self._due.get(key, due), due)
            self._changed.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Push all marked keys, without delay.

        Args:
            timeout_s: Give up after this many seconds in which no push succeeded. The whole may take longer.

        Returns:
            Whether everything was pushed.
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
        """Push all marked keys as `drain` does, then end the thread. What is left is not pushed any more.

        Args:
            timeout_s: As of `drain`.

        Returns:
            Whether everything was pushed.
        """
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
            except Exception as error:  # a full disk, an unreachable server: a later push may succeed
                self._repeat(key, error)
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

    def _repeat(self, key: Key, error: Exception) -> None:
        """Put `key` back as the first one, and pause."""
        with self._changed:
            self.failure = error
            self._due = {key: 0.0, **self._due}
            self._busy = False
            self._changed.wait_for(lambda: self._ending, self._pause_s)
