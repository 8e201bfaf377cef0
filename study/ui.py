"""`cops ui`: MLflow's own server over the home's database, for this machine alone."""

import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from cops_core.errors import InputError


def serve_ui(home: Path, port: int) -> int:
    """Serve until Ctrl-C; the server's exit code."""
    database = (home / "mlflow.db").resolve()
    if not database.is_file():
        raise InputError(f"no {database.name} in {home}: launch a study first, or name the right --home")
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
    with subprocess.Popen(command, env=environment) as server:
        try:
            return server.wait()
        except KeyboardInterrupt:
            server.terminate()
            return server.wait()
