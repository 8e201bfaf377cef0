"""Settings, trials and homes for tests of studies."""

import multiprocessing
import os
import socket
import subprocess
import sys
import time
from decimal import Decimal

import pytest
import requests

from cops_core.config import Selection, TrialConfig
from cops_core.facts import MetricRow
from cops_core.identity import trial_identity
from search_spaces import find_space
from study import cli
from study.records.lease import LOCK
from study.records.store import StudyStore
from study.records.trial import StudyTrial
from study.search.search_plan import SearchPlan
from study.settings import make_settings

from .kinds import kinds_of_studies
from .made_facts import made_accounting, made_facts, made_manifest
from .made_record import made_record


@pytest.fixture(scope="session", autouse=True)
def score_cache(tmp_path_factory):
    """A score cache for the tests and the processes that they start."""
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


REFUSED = 2


def contents(folder):
    """Every file below a folder with its content, and every folder, without Python's compiled files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs `cops` in this process, in an empty folder; returns exit code, stdout and stderr.

    A command that is refused must leave everything there as it was.
    """

    def cops(*words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["cops", *map(str, words)])
        before = contents(tmp_path)
        with pytest.raises(SystemExit) as left:
            cli.main()
        if left.value.code == REFUSED:
            assert contents(tmp_path) == before
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return cops


@pytest.fixture
def search_plan(settings):
    """Makes the plan of a search over a space."""

    def make(space="quickstart", **changes):
        found = find_space(space) if isinstance(space, str) else space
        question = changes.pop("question", found.question)
        name = found.name if isinstance(space, str) else "quickstart"
        return SearchPlan(found, settings(space=name, question=question, **changes))

    return make


@pytest.fixture(scope="session")
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
        trial.facts = made_facts(trial.density)
        return trial

    return make


def row(epoch: int, accuracy: float) -> MetricRow:
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


PATH_LEVELS = (0.0, 0.5, 1.0)


@pytest.fixture(scope="session")
def made(ended):
    """Makes one configuration's trials: an arm and scores at a rate, an accuracy per seed.

    axis: whether the rate is one. targets: what the mask keeps of the target at the levels 0, 0.5 and 1.
    """

    def make(
        number,
        accuracies,
        scores="snip",
        rate="0.99",
        arm="freeze",
        *,
        axis=True,
        level=0.5,
        status="finished",
        layers=None,
        targets=(10.0, 8.0, 5.0),
        stored_bytes=None,
        selection=None,
        **config,
    ):
        target, *controls = scores.split("+")
        dense = arm == "dense"
        chosen = {} if selection is None else selection
        config = TrialConfig(
            arm=arm,
            selection=None
            if dense
            else Selection(
                **{
                    "target": target,
                    "controls": [{"score": name, "level": level} for name in controls],
                    **chosen,
                }
            ),
            density=None if dense else 1 - Decimal(rate),
            **config,
        )
        trials = []
        for seed, accuracy in enumerate(accuracies):
            trial = ended(
                10 * number + seed,
                status,
                () if accuracy is None else (accuracy / 2, accuracy),
                configuration=number,
                seed_index=seed,
                rate=None if dense or not axis else Decimal(rate),
                config=config.changed(seed=100 + seed),
            )
            point = {"controls": [1.0], "multipliers": [0.0], "shrunk": 1.0, "status": "optimal"}
            path = [
                {"level": at, "target": kept, **point} for at, kept in zip(PATH_LEVELS, targets, strict=True)
            ]
            trial.facts |= {
                "layer_densities": {} if dense else layers or {"fc1.weight": 0.01, "fc2.weight": 0.5},
                "manifest": made_manifest(price_of_control={"global": path} if controls else {}),
                "accounting": made_accounting(stored_bytes or int(1e6 * trial.density)),
            }
            trials.append(trial)
        return trials

    return make


@pytest.fixture
def studies(made):
    """Trials of every kind of study that figures and reports must be able to show, by name."""
    return kinds_of_studies(made)


@pytest.fixture
def recorded(settings):
    """Writes a study of the quickstart with made-up accuracies, as a driver would have; returns its store.

    accuracy: of a trial's last epoch. end: how a trial ends; "running" leaves it open.
    """

    def write(accuracy=lambda trial: 0.5, end=lambda trial: "finished", *, space="quickstart", **changes):
        found = find_space(space)
        asked = settings(space=found.reference, question=changes.pop("question", found.question), **changes)
        store = StudyStore(asked.storage_uri, asked.name)
        store.write_record(made_record(asked.record(), study_id=f"{asked.name:0>32}"))
        store.write(LOCK, b"")  # as a driver leaves it
        plan, event = SearchPlan(found, asked), 0
        while not (plan.exhausted or plan.waiting):
            trial = plan.ask()
            trial.identity = trial_identity(trial.config, "d" * 64)
            trial.start_sequence, event = event, event + 1
            trial.started, trial.node = 1000.0 + event, "10.0.0.1"
            trial.facts = made_facts(trial.density, accounting=made_accounting(1000 + trial.number))
            status = end(trial)
            for epoch in range(1, 3 if status in ("finished", "running") else 2):
                trial.add_row(row(epoch, accuracy(trial) - 0.01 * (2 - epoch)), 1_000_000 + epoch)
            if status != "running":
                trial.status, trial.finish_sequence, event = status, event, event + 1
                trial.ended = trial.started + 2.5
                plan.tell(trial)
            store.save(trial)
        return store

    return write
