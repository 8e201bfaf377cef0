"""`cops ui`: MLflow's own server over the home's database, for this machine alone."""

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from filelock import FileLock

from cops_core.errors import InputError


def serve_ui(home: Path, port: int) -> NoReturn:
    """Become MLflow's server, until Ctrl-C: nothing is left behind when it is told to end."""
    database = (home / "mlflow.db").resolve()
    if not database.is_file():
        raise InputError(f"no {database.name} in {home}: launch a study first, or name the right --home")
    _check_free(port)
    with FileLock(home / "mlflow.db.lock"):  # a launch may be creating the database right now
        pass
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{database}"),
        *("--artifacts-destination", (home / "artifacts").resolve().as_uri()),
    ]
    # Job execution would start half a dozen helper processes that a browsing user never needs.
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    os.execve(sys.executable, command, environment)  # noqa: S606


def _check_free(port: int) -> None:
    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port} cannot be used ({error}): choose another with --port") from error
