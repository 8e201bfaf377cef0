"""A study on a cluster goes on when the terminal that launched it closes."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def outliving_terminal(log: Path) -> Iterator[None]:
    """While this lasts, a terminal that hangs up ends nothing; what is printed then goes to `log`."""
    asked_before = signal.getsignal(signal.SIGHUP)
    if asked_before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield  # nohup has seen to it, or a notebook, which has no terminal
        return

    def hang_up(*_: Any) -> None:
        with log.open("ab") as file:
            for stream in (1, 2):
                os.dup2(file.fileno(), stream)

    signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, asked_before)
