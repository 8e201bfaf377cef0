"""Run all benchmarks and write their figures into docs/: `uv run python tests/benchmarks/all.py`.

Run it on an idle machine. Each benchmark runs in a process of its own, and its part of a page is written as
soon as it has ended; one that fails leaves its part as it was. `--only step_speed` runs one of them.
"""

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from command import as_command
from pages import BENCHMARKS, DOCS, as_markdown, replaced

from cops_core.errors import lookup
from cops_core.machine import machine


def figures(name: str, options: list[str]) -> str:
    """What a benchmark prints; what it writes to stderr is shown.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    command = [sys.executable, str(Path(__file__).with_name(f"{name}.py")), *options]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main(
    only: Annotated[list[str] | None, typer.Option(help="Some benchmarks; all where left out.")] = None,
    smallest: Annotated[
        bool, typer.Option("--smallest", help="In the smallest form, to try it; nothing is written.")
    ] = False,
    write: Annotated[bool, typer.Option(help="Write the pages; else figures are only printed.")] = True,
) -> None:
    """Run benchmarks, print their figures and write them into the pages."""
    chosen = {name: lookup("benchmark", name, BENCHMARKS) for name in only or BENCHMARKS}
    if not smallest:
        minutes = sum(each.minutes for each in chosen.values())
        typer.echo(f"{len(chosen)} benchmarks, about {minutes} minutes on two idle cores")
    about, failed = machine(), []
    typer.echo(f"{about['cpu']}, {about['threads']} threads, torch {about['torch']}")
    for name, each in chosen.items():
        began = time.perf_counter()
        try:
            content = as_markdown(figures(name, list(each.smallest) if smallest else []))
        except subprocess.CalledProcessError as error:
            failed.append(name)
            typer.echo(f"\n{name} failed with {error.returncode}; docs/{each.page} keeps its figures")
            continue
        typer.echo(f"\n{name}, {time.perf_counter() - began:.0f} s, docs/{each.page}\n\n{content}")
        if write and not smallest:
            page = DOCS / each.page
            page.write_text(replaced(page.read_text(), name, content))
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    as_command(main)
