"""How MLflow's server is started: for this machine alone, over a home's database."""

import os
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cops_core.errors import InputError
from study.tracking.server.database import DATABASE, FOLDER

ARTIFACTS = "artifacts"


def server_command(home: Path, port: int, storage: str | None = None) -> tuple[list[str], dict[str, str]]:
    """The words and the environment of a server on 127.0.0.1.

    home: whose database is served. storage: a folder or a URI, in which the artefacts are kept; None for
    the home. It stands in the environment alone, since every user of a machine reads the words.
    """
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{(home / DATABASE).resolve()}"),
    ]
    # Job execution would start half a dozen helper processes that a browsing user never needs.
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **_artifacts(home, storage),
    }
    return command, environment


def _artifacts(home: Path, storage: str | None) -> dict[str, str]:
    """Where the server keeps the artefacts that it is sent, in MLflow's words."""
    if storage is None:
        return {"MLFLOW_ARTIFACTS_DESTINATION": (home / ARTIFACTS).resolve().as_uri()}
    if "://" not in storage:
        return {"MLFLOW_ARTIFACTS_DESTINATION": (Path(storage) / FOLDER / ARTIFACTS).resolve().as_uri()}
    parts = urlsplit(storage)
    place = parts._replace(path=f"{parts.path.rstrip('/')}/{FOLDER}/{ARTIFACTS}", query="")
    return {"MLFLOW_ARTIFACTS_DESTINATION": place.geturl(), **_s3(parse_qs(parts.query))}


def _s3(query: dict[str, list[str]]) -> dict[str, str]:
    """What pyarrow reads from a URI's query and MLflow from the environment."""
    found = {}
    if "region" in query:
        found["AWS_DEFAULT_REGION"] = query["region"][0]
    if "endpoint_override" in query:
        scheme = query.get("scheme", ["https"])[0]
        address = query["endpoint_override"][0]
        found["MLFLOW_S3_ENDPOINT_URL"] = address if "://" in address else f"{scheme}://{address}"
    return found


def check_free(port: int) -> None:
    """InputError if a server cannot listen on the port of 127.0.0.1."""
    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise InputError(f"port {port} cannot be used ({error}): choose another with --port") from error
