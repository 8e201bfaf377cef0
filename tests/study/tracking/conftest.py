"""A home, views of studies in it, and a server that may be killed."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import requests
from mlflow import MlflowClient

from study.tracking import EXPERIMENT, MlflowView, connect

SETTINGS = {
    "study_id": "a0",
    "space": "quickstart",
    "trials": 2,
    "seeds": 1,
    "question": {"kind": "rates", "rates": ["0.99"]},
}


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture(scope="session")
def new_database(tmp_path_factory):
    """An empty database: creating its tables takes MLflow a second, a copy takes none."""
    folder = tmp_path_factory.mktemp("database")
    connect(f"sqlite:///{folder / 'mlflow.db'}")
    return folder / "mlflow.db"


@pytest.fixture
def sqlite(home, new_database):
    shutil.copy(new_database, home)
    return f"sqlite:///{home / 'mlflow.db'}"


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.slow)])
def tracking_uri(request, sqlite):
    """Where runs are logged: a database; a server, which takes ten times as long, behind the same client."""
    return sqlite if request.param == "sqlite" else request.getfixturevalue("mlflow_server")


@pytest.fixture
def study_name(request):
    """A name of the test's own: tests share a server."""
    return f"study-{abs(hash(request.node.nodeid)):x}"


@pytest.fixture
def study_settings():
    """The settings of the study."""
    return SETTINGS


@pytest.fixture
def storage():
    """The files of a study's storage, by name; empty at first."""
    return {}


@pytest.fixture
def make_view(home, study_name, storage):
    """Makes a view of the study; `uri` is the database or the server."""

    def read(file):
        if file not in storage:
            raise FileNotFoundError(file)
        return storage[file]

    def make(uri, settings=SETTINGS, name=study_name, plugins=()):
        return MlflowView(uri, home, name, settings, plugins, read)

    return make


class StudyRuns:
    """The runs of one study, read with a client of the test's own."""

    def __init__(self, uri, name):
        self.client = MlflowClient(uri)
        self.experiment = self.client.get_experiment_by_name(EXPERIMENT).experiment_id
        self.name = name

    @property
    def parents(self):
        found = self.client.search_runs([self.experiment], f"tags.study = '{self.name}'")
        return [run for run in found if "mlflow.parentRunId" not in run.data.tags]

    @property
    def parent(self):
        (parent,) = self.parents
        return parent

    @property
    def runs(self):
        """The nested runs, in the order of their trials' names."""
        found = self.client.search_runs([self.experiment], f"tags.study = '{self.name}'")
        found = [run for run in found if "mlflow.parentRunId" in run.data.tags]
        return sorted(found, key=lambda run: run.data.tags["trial"])

    def history(self, run, metric="validation_accuracy"):
        """[(epoch, value, stamp)], every point that was logged."""
        points = self.client.get_metric_history(run.info.run_id, metric)
        return sorted((point.step, point.value, point.timestamp) for point in points)

    def files(self, run):
        return {file.path for file in self.client.list_artifacts(run.info.run_id)}


@pytest.fixture
def shown(study_name):
    return lambda uri: StudyRuns(uri, study_name)


class Server:
    """An MLflow server of one test, on one port and database, that may be killed and started again."""

    def __init__(self, folder, port):
        self.uri = f"http://127.0.0.1:{port}"
        self.command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
            *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"),
            *("--artifacts-destination", (folder / "artifacts").as_uri()),
        ]
        self.log = folder / "log"
        self.process = None

    def start(self):
        environment = {
            **os.environ,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        with self.log.open("a") as log:
            # A group of its own: with the server, its workers are killed.
            self.process = subprocess.Popen(
                self.command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(240):
            assert self.process.poll() is None, self.log.read_text()
            try:
                if requests.get(f"{self.uri}/health", timeout=2).ok:
                    return
            except requests.ConnectionError:
                time.sleep(0.25)
        pytest.fail("the server did not answer")

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


@pytest.fixture
def server(tmp_path, free_port):
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder, free_port)
    server.start()
    yield server
    if server.process.poll() is None:
        server.kill()
