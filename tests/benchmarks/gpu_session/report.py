"""What a session writes: one table in Markdown, and the same as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from markdown import table

from cops_core.whole_file import write_whole
from gpu_session.rows import Row

HEADINGS = ("part", "what", "measured", "")


@dataclass(frozen=True)
class PartReport:
    """A part of the session.

    Attributes:
        name: Its name.
        limit: The seconds that it had.
        seconds: The seconds that it took.
        rows: What it has found, what was cut and what failed.
    """

    name: str
    limit: float
    seconds: float
    rows: Sequence[Row]


def write_report(folder: Path, about: Mapping[str, object], reports: Sequence[PartReport]) -> None:
    """Write `gpu-session.md` and `gpu-session.json`, each completely or not at all.

    Args:
        folder: Where.
        about: The machine, the time and the version, as JSON values.
        reports: The parts so far.
    """
    content = {**about, "parts": [asdict(report) for report in reports]}
    write_whole(folder / "gpu-session.json", (json.dumps(content, indent=1) + "\n").encode())
    write_whole(folder / "gpu-session.md", markdown(about, reports).encode())


def markdown(about: Mapping[str, object], reports: Sequence[PartReport]) -> str:
    """The session as one table."""
    rows = []
    for report in reports:
        rows += [(row.part, row.what, row.measured, row.status) for row in report.rows]
        rows.append((report.name, "its time", f"{report.seconds:.0f} s of {report.limit:.0f} s", ""))
    first = ", ".join(f"{name} {value}" for name, value in about.items() if value != "")
    return f"{first}\n\n{table(HEADINGS, rows)}\n"
