"""How MLflow's server is started: for this machine only, on a home's database."""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cops_core.errors import InputError
from study.places import sqlite_uri
from study.tracking.server.database import DATABASE, FOLDER

ARTIFACTS = "artifacts"


def server_command(home: Path, port: int, storage: str | None = None) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of a server on 127.0.0.1.

    The storage is in the environment only, since every user of a machine can read a process's command.

    Args:
        home: The home whose database is served.
        port: The port of 127.0.0.1.
        storage: A folder or a URI, in which the artifacts are stored; None for the home.

    Returns:
        The words of the command, and its complete environment.
    """
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", sqlite_uri((home / DATABASE).resolve())),
    ]
    # Job execution would start six helper processes that are not needed to browse.
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **_artifacts(home, storage),
    }
    return command, environment


def _artifacts(home: Path, storage: str | None) -> dict[str, str]:
    """MLflow's settings for where the server stores artifacts."""
    if storage is None:
        return {"MLFLOW_ARTIFACTS_DESTINATION": (home / ARTIFACTS).resolve().as_uri()}
    if "://" not in storage:
        return {"MLFLOW_ARTIFACTS_DESTINATION": (Path(storage) / FOLDER / ARTIFACTS).resolve().as_uri()}
    parts = urlsplit(storage)
    place = parts._replace(path=f"{parts.path.rstrip('/')}/{FOLDER}/{ARTIFACTS}", query="")
    return {"MLFLOW_ARTIFACTS_DESTINATION": place.geturl(), **_s3(parse_qs(parts.query))}


def _s3(query: dict[str, list[str]]) -> dict[str, str]:
    """Settings that pyarrow reads from a URI's query, but MLflow from the environment."""
    found = {}
    if "region" in query:
        found["AWS_DEFAULT_REGION"] = query["region"][0]
    if "endpoint_override" in query:
        scheme = query.get("scheme", ["https"])[0]
        address = query["endpoint_override"][0]
        found["MLFLOW_S3_ENDPOINT_URL"] = address if "://" in address else f"{scheme}://{address}"
    return found


def check_free(port: int) -> None:
    """Check that a server can listen on a port of 127.0.0.1.

    Raises:
        InputError: It cannot.
    """
    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port} cannot be used ({error}): choose another with --port") from error
