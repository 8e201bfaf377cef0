"""How a benchmark runs: wrong input, and data that are missing, end in one line."""

from collections.abc import Callable

import typer

from cops_core.errors import InputError


def as_command(main: Callable[..., None]) -> None:
    """Run a benchmark's `main` as a command, with its arguments as options."""
    try:
        typer.run(main)
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
