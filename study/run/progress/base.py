"""The base class of the views of a running study."""

from typing import IO, Self

from study.records.observer import Observer


class View(Observer):
    """Shows a study while it runs, inside a `with` block. An output that fails never ends the study."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def say(self, line: str) -> None:
        """Show a line. It may be called in any thread."""


class Lines:
    """Writes complete lines, and flushes each. After an error of the stream further lines are dropped."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._closed = False

    def write(self, line: str) -> None:
        """Write a line, given without its line break."""
        if self._closed:
            return
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream is closed
            self._closed = True
