"""MLflow as a view of the study's records. This is the only package that imports MLflow."""

import os

from cops_core.folders import has_home, user_cache

# MLflow reads these when it is imported: no telemetry, no advertising, no progress bars in the terminal.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# By default a request takes minutes to fail if the server is down. The writing thread repeats it anyway.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
# It also needs the user's home folder, which a user in a container may not have.
if not has_home():
    os.environ["HOME"] = str(user_cache("home"))

from study.tracking.connect import EXPERIMENT, browse, check_store, connect, experiment_id
from study.tracking.content import CONFIG_FILE, ReplayRecord
from study.tracking.describe import NETWORK_FILE
from study.tracking.fetch import fetch, fetch_tags, histories, run_id_of
from study.tracking.new_database import new_database
from study.tracking.view import MlflowView

__all__ = [
    "CONFIG_FILE",
    "EXPERIMENT",
    "NETWORK_FILE",
    "MlflowView",
    "ReplayRecord",
    "browse",
    "check_store",
    "connect",
    "experiment_id",
    "fetch",
    "fetch_tags",
    "histories",
    "new_database",
    "run_id_of",
]
