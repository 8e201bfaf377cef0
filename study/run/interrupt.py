"""Ctrl-C while a study runs: one stops it cleanly, two stop it at once."""

import signal
import threading
from collections.abc import Callable
from typing import Any, Self


class Interrupts:
    """Handles Ctrl-C inside a `with` block. It does nothing in another thread than the main one.

    Before `handle` and after `__exit__` Ctrl-C raises KeyboardInterrupt as usual.

    Attributes:
        pressed_twice: Whether Ctrl-C was pressed a second time.
    """

    def __init__(self) -> None:
        self.pressed_twice = False
        self._stop: Callable[[], str] | None = None
        self._say: Callable[[str], None] = lambda _: None
        self._pressed = self._ignored = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            # Also if a shell has set it to be ignored for the background jobs of a script.
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def handle(self, stop: Callable[[], str], say: Callable[[str], None]) -> None:
        """From now on the first Ctrl-C calls `stop`, and the second raises KeyboardInterrupt.

        The second also sets `pressed_twice`. The exception is raised wherever the main thread is.

        Args:
            stop: Starts to stop the study, and returns a message. It must be quick.
            say: Shows the message; called in another thread.
        """
        self._stop, self._say = stop, say

    def ignore(self) -> None:
        """From now on ignore Ctrl-C: the rest takes a moment and must not be interrupted."""
        self._ignored = True

    def _press(self, *_: Any) -> None:
        if self._ignored:
            return
        if self._stop is None:
            raise KeyboardInterrupt
        if self._pressed:
            self.pressed_twice = True
            raise KeyboardInterrupt
        self._pressed = True
        # In another thread: this one may be writing to the same stream at this moment.
        threading.Thread(target=self._say, args=(self._stop(),), daemon=True).start()
