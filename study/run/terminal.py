"""A study on a cluster goes on when the terminal that launched it closes."""

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

OUT, ERR = 1, 2


class OutlivingFile(io.FileIO):
    """A terminal's file: a write that finds the terminal gone calls `hang_up` and is made again.

    The terminal is gone before its signal is heard of: what is printed in between would fail.
    """

    def __init__(self, descriptor: int, hang_up: Callable[[], None]) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._hang_up = hang_up

    def write(self, content: Any) -> int:
        """As any file's."""
        try:
            return super().write(content)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._hang_up()
            return super().write(content)


@contextmanager
def outliving_terminal(log: Path) -> Iterator[None]:
    """While this lasts, a terminal that hangs up ends nothing; what is printed then goes to `log`."""
    asked_before = signal.getsignal(signal.SIGHUP)
    if asked_before is signal.SIG_IGN or threading.current_thread() is not threading.main_thread():
        yield  # nohup has seen to it, or a notebook, which has no terminal
        return

    def hang_up(*_: Any) -> None:
        with log.open("ab") as file:
            for stream in (OUT, ERR):
                os.dup2(file.fileno(), stream)

    signal.signal(signal.SIGHUP, hang_up)
    try:
        with ExitStack() as stack:
            if sys.stdout.isatty():
                stack.enter_context(redirect_stdout(_outliving(OUT, sys.stdout, hang_up)))
            if sys.stderr.isatty():
                stack.enter_context(redirect_stderr(_outliving(ERR, sys.stderr, hang_up)))
            yield
    finally:
        signal.signal(signal.SIGHUP, asked_before)


def _outliving(descriptor: int, stream: TextIO, hang_up: Callable[[], None]) -> TextIO:
    stream.flush()
    raw = OutlivingFile(descriptor, hang_up)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, stream.errors, line_buffering=True, write_through=True
    )
