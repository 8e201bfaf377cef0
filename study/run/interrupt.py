"""Ctrl-C while a study runs: once, it ends cleanly; twice, at once."""

import signal
import threading
from collections.abc import Callable
from typing import Any, Self


class Interrupts:
    """Listens to Ctrl-C. Use it in `with`; in a thread that is not the main one it hears nothing.

    Before `obey` and after `__exit__` Ctrl-C is what it was: a KeyboardInterrupt. at_once: whether it was
    pressed a second time.
    """

    def __init__(self) -> None:
        self.at_once = False
        self._stop: Callable[[], str] | None = None
        self._say: Callable[[str], None] = lambda _: None
        self._pressed = self._deaf = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # Also where a shell has a script's background jobs ignore it: whoever sends it means it.
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def obey(self, stop: Callable[[], str], say: Callable[[str], None]) -> None:
        """From now on the first Ctrl-C calls `stop`, which must be quick, and says what it returned.

        The second raises KeyboardInterrupt wherever the main thread is, with `at_once` set.
        """
        self._stop, self._say = stop, say

    def ignore(self) -> None:
        """From now on nothing comes of it: what is left takes a moment, and is not to be broken off."""
        self._deaf = True

    def _press(self, *_: Any) -> None:
        if self._deaf:
            return
        if self._stop is None:
            raise KeyboardInterrupt
        if self._pressed:
            self.at_once = True
            raise KeyboardInterrupt
        self._pressed = True
        # In a thread of its own: this one may be in the midst of writing to the same stream.
        threading.Thread(target=self._say, args=(self._stop(),), daemon=True).start()
