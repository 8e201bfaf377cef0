"""Settings, trials and a home of their own for tests of studies."""

import multiprocessing
import os
import socket
import subprocess
import sys
import time

import pytest
import requests

from cops_core.config import Selection, TrialConfig
from search_spaces import find_space
from study import cli
from study.ledger.trial import StudyTrial
from study.search.proposals import Proposer
from study.settings import make_settings


@pytest.fixture(scope="session", autouse=True)
def score_cache(tmp_path_factory):
    """A score cache of the tests' own, also for the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("scores")
        patch.setenv("COPS_SCORE_CACHE", str(folder))
        yield folder


@pytest.fixture
def settings(tmp_path, score_cache):
    """Makes settings of a quickstart in a temporary home; any field can be given."""

    def make(**changes):
        space = find_space(changes.get("space", "quickstart"))
        defaults = {
            "space": space.name,
            "name": "test",
            "trials": 24,
            "question": space.question,
            "home": tmp_path / "home",
            "data_root": tmp_path / "data",
            "score_cache": score_cache,
        }
        return make_settings(**{**defaults, **changes})

    return make


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs `cops` in this process, in an empty folder; returns exit code, stdout and stderr."""

    def cops(*words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["cops", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return cops


@pytest.fixture
def proposer(settings):
    """Makes a proposer of a space."""

    def make(space="quickstart", **changes):
        found = find_space(space) if isinstance(space, str) else space
        question = changes.pop("question", found.question)
        name = found.name if isinstance(space, str) else "quickstart"
        return Proposer(found, settings(space=name, question=question, **changes))

    return make


@pytest.fixture
def ended():
    """Makes a trial that has ended."""

    def make(number=0, status="finished", accuracies=(0.5, 0.9), **changes):
        config = changes.pop(
            "config", TrialConfig(arm="freeze", selection=Selection(target="snip"), density="0.01")
        )
        fields = {"configuration": number, "identity": f"{number:064x}", "started": 100.0, "ended": 101.5}
        trial = StudyTrial(number=number, config=config, status=status, **{**fields, **changes})
        for epoch, accuracy in enumerate(accuracies, start=1):
            trial.add_row(row(epoch, accuracy))
        trial.facts = {
            "parameters": 1000,
            "trained_parameters": 100,
            "kept_weights": 90,
            "compression": 10.0,
            "density": trial.density,
            "layer_densities": {"fc1.weight": 0.01},
            "manifest": {"scores": ["snip"]},
        }
        return trial

    return make


def row(epoch: int, accuracy: float) -> dict[str, float]:
    return {
        "epoch": epoch,
        "train_loss": 1.0 / epoch,
        "validation_loss": 2.0 / epoch,
        "validation_accuracy": accuracy,
        "learning_rate": 0.1,
        "train_seconds": 0.01,
    }


@pytest.fixture
def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """The address of a real MLflow server with a database and artifact store of its own."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--backend-store-uri", f"sqlite:///{folder / 'server.db'}"),
        *("--artifacts-destination", (folder / "artifacts").as_uri()),
    ]
    environment = {
        **os.environ,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    log = (folder / "log").open("w")
    with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server:
        uri = f"http://127.0.0.1:{port}"
        for _ in range(240):
            assert server.poll() is None, (folder / "log").read_text()
            try:
                if requests.get(f"{uri}/health", timeout=2).ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.25)
        yield uri
        server.terminate()
        server.wait(30)


@pytest.fixture
def process():
    """Runs a function with one end of a pipe in a process of its own; returns it and the other end."""
    fork, running = multiprocessing.get_context("fork"), []

    def start(function, *arguments):
        ours, theirs = fork.Pipe()
        child = fork.Process(target=function, args=(theirs, *arguments))
        child.start()
        running.append(child)
        return child, ours

    yield start
    for child in running:
        child.kill()
        child.join()
