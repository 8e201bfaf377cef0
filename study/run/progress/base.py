"""What all views of a running study have in common."""

from typing import IO, Self

from study.records.observer import Observer


class View(Observer):
    """Shows a study while it runs. Use it in `with`. It never ends the study, whatever it writes to."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def say(self, line: str) -> None:
        """Show a line, from whatever thread."""


class Lines:
    """Whole lines, each flushed. A reader that goes away, or a full disk, costs the lines that follow."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._gone = False

    def write(self, line: str) -> None:
        """Write one line, without its end."""
        if self._gone:
            return
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: it was closed
            self._gone = True
