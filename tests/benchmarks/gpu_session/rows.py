"""What a part of the session has found: rows in a file, each written as soon as it is known."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Status = Literal["ok", "wrong", "failed", "cut", "not here"]


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        part: The part of the session.
        what: What was measured.
        measured: The figure in words, or why there is none.
        value: The figure as a number, where it is one.
        status: "ok"; "wrong": outside of its tolerance; "failed": an error; "cut": no time was left;
            "not here": this device cannot do it.
    """

    part: str
    what: str
    measured: str
    value: float | None = None
    status: Status = "ok"


Figure = tuple[str, float | None] | tuple[str, float | None, Status]


class Rows:
    """Writes the rows of one part.

    Args:
        part: Its name.
        path: A file of JSON lines, which is extended.
        seconds: After these nothing new is begun.
    """

    def __init__(self, part: str, path: Path, seconds: float) -> None:
        self.part = part
        self.path = path
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, at least 0."""
        return max(0.0, self._end - time.monotonic())

    def add(self, what: str, measured: str, value: float | None = None, status: Status = "ok") -> None:
        """Write a row."""
        with self.path.open("a") as file:
            file.write(json.dumps(asdict(Row(self.part, what, measured, value, status))) + "\n")

    def measure(self, what: str, job: Callable[[], Figure], needs: float = 0.0) -> None:
        """Write the row of a job that returns its figure; also if it fails, or if there is no time for it.

        Args:
            what: What is measured.
            job: Returns the figure in words, as a number, and a status if it is not "ok".
            needs: The seconds that it takes at most, as far as is known.
        """
        if self.left <= needs:
            self.add(what, f"no time: {self.left:.0f} s were left", status="cut")
            return
        try:
            self.add(what, *job())
        except Exception as error:  # one figure that fails does not end its part
            words = " ".join(str(error).split()) or type(error).__name__
            self.add(what, f"{type(error).__name__}: {words[:200]}", status="failed")


def read_rows(path: Path) -> list[Row]:
    """The rows in a file; a last line that is not complete is left out."""
    if not path.exists():
        return []
    lines = path.read_text().split("\n")[:-1]
    return [Row(**json.loads(line)) for line in lines]
