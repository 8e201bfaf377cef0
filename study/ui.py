"""`cops ui`: MLflow's own server over the home's database, for this machine alone."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from filelock import FileLock

from cops_core.errors import InputError, near_path
from study.server.command import check_free, server_command


def serve_ui(home: Path, port: int) -> NoReturn:
    """Become MLflow's server, until Ctrl-C: nothing is left behind when it is told to end."""
    database = home / "mlflow.db"
    if not database.is_file():
        advice = (
            "" if home.exists() else near_path(home)
        ) or ": launch a study first, or name the right --home"
        raise InputError(f"no {database.name} in {home}{advice}")
    check_free(port)
    with FileLock(home / "mlflow.db.lock"):  # a launch may be creating the database right now
        pass
    command, environment = server_command(home, port)
    os.execve(sys.executable, command, environment)  # noqa: S606
