"""The table of docs/models.md: what was tried with models of other packages.

    uv run python -m tests.cops_core.library.others.table [--write] [--only timm/]

It takes about five minutes on two cores.
"""

import multiprocessing
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import typer

from cops_core.errors import InputError

from .other_models import MODELS
from .trying import ATTEMPTS, Row, try_model

PAGE = Path(__file__).parents[4] / "docs" / "models.md"
START = "## The table"
PACKAGES = ("torch", "torchvision", "timm", "transformers")


def tried(name: str) -> Row:
    """What is found with a model, on one thread."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(action="ignore"):
        return try_model(name, MODELS[name], Path(folder))


def line(row: Row) -> str:
    """A model's line of the table."""
    cells = ["no" if attempt in row.failures else "yes" for attempt in ATTEMPTS]
    if row.file is not None:
        cells[-1] = f"{100 * row.file:.1f} %"
    return f"| {row.name} | {row.parameters:,} | {row.candidates:,} | {' | '.join(cells)} |"


def failures(row: Row) -> list[str]:
    """A line for each reason of failures."""
    attempts: dict[str, list[str]] = {}
    for attempt, reason in row.failures.items():
        attempts.setdefault(reason, []).append(attempt)
    return [f"- {row.name}: {'; '.join(names)}: {reason}" for reason, names in attempts.items()]


def section(rows: Sequence[Row]) -> str:
    """The table, and why what failed has failed."""
    versions = ", ".join(f"{package} {version(package).partition('+')[0]}" for package in PACKAGES)
    heads = ["model", "parameters", "candidates", *ATTEMPTS]
    failed = [text for row in rows for text in failures(row)]
    return "\n".join(
        [
            START,
            "",
            f"{len(rows)} models, with {versions}.",
            "",
            f"| {' | '.join(heads)} |",
            f"|{'---|' * len(heads)}",
            *map(line, rows),
            "",
            "What failed, and what it said:",
            "",
            *(failed or ["- nothing"]),
            "",
        ]
    )


def table(names: Iterable[str], processes: int) -> list[Row]:
    """What is found with these models."""
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(tried, names))


def main(
    write: Annotated[bool, typer.Option(help="Write it to docs/models.md instead of printing it.")] = False,
    only: Annotated[str, typer.Option(help="Only models whose names start with this.")] = "",
    processes: Annotated[int, typer.Option(help="As many as there are cores.")] = 2,
) -> None:
    """Try all models and print the table."""
    names = [name for name in MODELS if name.startswith(only)]
    if not names or (write and only):
        raise InputError(f"--only {only!r}: write the beginning of a model's name, without --write")
    text = section(table(names, processes))
    if write:
        PAGE.write_text(PAGE.read_text().partition(START)[0] + text)
    else:
        typer.echo(text)


if __name__ == "__main__":
    try:
        typer.run(main)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
