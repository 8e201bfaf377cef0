"""`cops ui`: MLflow's own server for the home's database, for this machine only."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from cops_core.errors import InputError, near_path
from study.console import print_line
from study.tracking import browse
from study.tracking.server.command import check_free, server_command


def serve_ui(home: Path, port: int, console: Console) -> NoReturn:
    """Print the address and become MLflow's server, until Ctrl-C. No process is left then.

    Args:
        home: The home of the database.
        port: The port of 127.0.0.1.
        console: Where the address is printed.

    Raises:
        InputError: The home has no database, or the port is in use.
    """
    database = home / "mlflow.db"
    if not database.is_file():
        advice = (
            "" if home.exists() else near_path(home)
        ) or ": launch a study first, or set the right --home"
        raise InputError(f"no {database.name} in {home}{advice}")
    check_free(port)
    page = f"http://127.0.0.1:{port}{browse(home)}"
    print_line(console, f"browse: {page}")
    print_line(console, "the server starts within seconds; end it with Ctrl-C")
    console.file.flush()  # execve discards what is not written yet
    command, environment = server_command(home, port)
    command += ["--uvicorn-opts", "--log-level warning"]  # a line for each request would hide the address
    os.execve(sys.executable, command, environment)  # noqa: S606
