"""Real studies with failures at random moments, and what must be true of them afterwards.

A study that is interrupted and resumed must not differ from one that never was: the same trials, each once,
the same numbers in the records, the tables and MLflow.
"""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
import requests
from mlflow import MlflowClient

CLOCK = ("seconds", "train_seconds")  # the columns in which two runs of the same study may differ
ONE_AT_A_TIME = ("--trials", 11, "--epochs", 9, "--rates", "0.95,0.99", "--concurrency", 1, "--seed", 5)
# A random sampler's proposals do not depend on which of two trials ends first.
TWO_AT_A_TIME = ("--trials", 13, "--epochs", 9, "--rates", "0.95,0.99", "--sampler", "random")
TWO_AT_A_TIME += ("--stopping", "none", "--concurrency", 2, "--seed", 6)


def pytest_generate_tests(metafunc):
    """`moment`: a seeded random share of a study's duration; `--moments` is the number of them."""
    if "moment" in metafunc.fixturenames:
        draws = random.Random(metafunc.function.__name__)
        count = metafunc.config.getoption("--moments")
        metafunc.parametrize("moment", [round(draws.random(), 3) for _ in range(count)])


@dataclass
class Study:
    """A launched study in its own home, with processes that a test may kill."""

    folder: Path
    words: tuple
    environment: dict = field(default_factory=dict)
    process: subprocess.Popen | None = None

    @property
    def home(self):
        return self.folder / "home"

    def start(self, *more):
        words = (*self.words, "--home", self.home, "--checkpoint-every", 0.1, "--fresh", *more)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "study.cli", "launch", "quickstart", *map(str, words)],
            cwd=self.folder,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return self

    def resume(self):
        return self.start()  # the same command again

    def end(self, code=0):
        output, _ = self.process.communicate(timeout=240)
        assert self.process.returncode == code, output
        assert "Traceback" not in output
        return output

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=60)

    def workers(self):
        tree = psutil.Process(self.process.pid).children(recursive=True)
        return [process for process in tree if "TrialWorker" in name_of(process)]

    def recorded(self):
        """Whether the first trial has a record."""
        return list((self.home / "studies" / "quickstart" / "trials").glob("*.json"))

    def table(self, name):
        """The rows of a Parquet table, without measured times."""
        path = self.home / "studies" / "quickstart" / name
        return [
            {key: value for key, value in row.items() if key not in CLOCK}
            for row in pq.read_table(path).to_pylist()
        ]

    def wait(self, condition, seconds=120):
        for _ in range(int(seconds * 20)):
            if found := condition():
                return found
            assert self.process.poll() is None, self.process.stdout.read()
            time.sleep(0.05)
        return pytest.fail("the condition was not met in time")


def name_of(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def undisturbed_study(folder, words):
    start = time.monotonic()
    study = Study(folder, words).start()
    study.end()
    return study, time.monotonic() - start


@pytest.fixture(scope="session")
def one_at_a_time(tmp_path_factory):
    """The undisturbed study with one trial at a time, and its duration in seconds."""
    return undisturbed_study(tmp_path_factory.mktemp("one"), ONE_AT_A_TIME)


@pytest.fixture(scope="session")
def two_at_a_time(tmp_path_factory):
    return undisturbed_study(tmp_path_factory.mktemp("two"), TWO_AT_A_TIME)


@pytest.fixture
def make_study(tmp_path):
    """Makes a study in the test's folder or another one; kills it at the end if it still runs."""
    made = []

    def make(words, folder=tmp_path):
        made.append(Study(folder, words))
        return made[-1]

    yield make
    for study in made:
        if study.process is not None and study.process.poll() is None:
            study.kill()


@pytest.fixture
def same():
    """Checks that every trial is recorded once, with the same numbers in tables and MLflow.

    networks: whether each trial's network must exist too.
    """
    return check_the_same


def check_the_same(study, undisturbed, tracking_uri=None, *, networks=True):
    for table in ("trials.parquet", "epochs.parquet"):
        assert study.table(table) == undisturbed.table(table)
    check_mlflow(study, tracking_uri or f"sqlite:///{study.home / 'mlflow.db'}", networks)
    assert not list((study.home / "studies" / "quickstart" / "checkpoints").iterdir())


def check_mlflow(study, uri, networks):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("cops-study").experiment_id
    runs = client.search_runs([experiment], max_results=1000)
    (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    nested = {run.data.tags["trial"]: run for run in runs if run is not parent}
    trials = {row["trial"]: row for row in study.table("trials.parquet")}
    assert len(nested) == len(runs) - 1  # no trial has two runs
    assert set(nested) == set(trials)
    assert parent.info.status == "FINISHED"
    epochs = {(row["trial"], row["epoch"]): row for row in study.table("epochs.parquet")}
    for name, run in nested.items():
        assert run.info.status == "FINISHED"
        assert run.data.tags["status"] == trials[name]["status"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        for metric in ("validation_accuracy", "validation_loss", "train_loss", "learning_rate"):
            history = client.get_metric_history(run.info.run_id, metric)
            assert Counter(entry.step for entry in history) == dict.fromkeys(
                range(1, trials[name]["epochs"] + 1), 1
            )
            assert all(epochs[name, entry.step][metric] == entry.value for entry in history)
        files = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        assert {"config.json"} | ({"network.safetensors"} if networks else set()) <= files


class Server:
    """A real MLflow server with its own database, which a test may kill and start again."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
            *("--backend-store-uri", f"sqlite:///{self.folder / 'server.db'}", "--workers", "1"),
            *("--artifacts-destination", (self.folder / "artifacts").as_uri()),
        ]
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **quiet}, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(240):
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                if requests.get(f"{self.uri}/health", timeout=2).ok:
                    return self
            except requests.RequestException:
                time.sleep(0.25)
        return pytest.fail("the server did not start")

    def kill(self):
        """Kill the server and the processes that it started, and nothing else."""
        tree = [*psutil.Process(self.process.pid).children(recursive=True), self.process]
        for process in tree:
            process.kill()
        self.process.wait(30)


@pytest.fixture
def server(tmp_path):
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server").start()
    yield server
    server.kill()
