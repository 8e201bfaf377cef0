"""`cops serve` as a cluster's head runs it: real servers, killed, replaced, ended and restored."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from cops_core.errors import InputError
from study.tracking.connect import connect, experiment_id
from study.tracking.server import supervise
from study.tracking.server.processes import ServerSettings, processes

pytestmark = pytest.mark.slow


class Head:
    """A cluster's head: a home, a port, and the commands that are given there."""

    def __init__(self, home, storage, port):
        self.home, self.storage, self.port = home, storage, port
        self.uri = f"http://127.0.0.1:{port}"

    def words(self, *words):
        where = ["--home", str(self.home), "--storage", self.storage, "--port", str(self.port)]
        return [sys.executable, "-m", "study.cli", "serve", *where, *words]

    def serve(self, *words):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=150)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes(self):
        return {pid: psutil.Process(pid) for pid in processes(self.home)}

    def server(self, word):
        (found,) = [p for p in self.processes().values() if word in p.cmdline()]
        return found

    def connect(self):
        return connect(self.uri)


@pytest.fixture
def make_head(tmp_path, storage, free_port):
    """Makes heads with homes of their own; none is left running."""
    heads = []

    def make(name):
        heads.append(Head(tmp_path / name, storage, free_port))
        return heads[-1]

    yield make
    for head in heads:
        for process in head.processes().values():
            process.kill()


def answers_again(head, seconds=60):
    deadline = time.monotonic() + seconds
    while not supervise.answers(head.port):
        assert time.monotonic() < deadline, "it does not answer"
        time.sleep(0.1)


def test_a_head_is_killed_replaced_ended_and_restored(make_head, storage, tmp_path, log_run, runs):
    head = make_head("a # home; 100%")
    assert head.uri in head.serve("--detach")
    client = head.connect()

    # Artefacts go to the storage, by way of the server.
    experiment = client.get_experiment(experiment_id(client, head.uri, head.home))
    assert experiment.artifact_location.startswith("mlflow-artifacts:")
    run = log_run(head.uri, "first")
    (tmp_path / "note.txt").write_text("kept")
    client.log_artifact(run, str(tmp_path / "note.txt"))
    assert [path.read_text() for path in (Path(storage) / "_mlflow" / "artifacts").rglob("note.txt")] == [
        "kept"
    ]

    # For this machine only, and other users cannot read its folder.
    pids = set(head.processes())
    listening = [c for c in psutil.net_connections("all") if c.pid in pids and c.status == psutil.CONN_LISTEN]
    assert {(c.laddr.ip, c.laddr.port) for c in listening} == {("127.0.0.1", head.port)}
    assert (head.home / "server").stat().st_mode & 0o777 == 0o700
    assert all(storage not in " ".join(p.cmdline()) for p in head.processes().values())

    # Either of its processes is killed: the server itself, then what started it.
    for word in ("uvicorn", "mlflow"):
        victim = head.server(word)
        victim.send_signal(signal.SIGKILL)
        psutil.wait_procs([victim], 10)
        if word == "mlflow":  # what it leaves behind answers until its successor ends it
            wait_until(lambda: head.server("uvicorn").ppid() == head.server("mlflow").pid)
        answers_again(head)
    assert runs(head.uri) == {"first"}

    # The same command replaces a running or a half-dead server. On SIGTERM it makes a last backup.
    head.server("supervisor.supervisord").kill()
    wait_until(lambda: len(head.processes()) == 3)
    before = head.processes()
    head.serve("--detach")
    assert not set(before) & set(head.processes())
    log_run(head.uri, "second")
    assert head.serve("--stop") == "MLflow's server has ended\n"
    assert head.processes() == {}

    # The head node is lost: another one takes over, and has the artifacts, too.
    other = make_head("other")
    assert "restored mlflow.db from its backup" in other.serve("--detach")
    assert runs(other.uri) == {"first", "second"}
    read = MlflowClient(other.uri).download_artifacts(run, "note.txt", str(tmp_path))
    assert Path(read).read_text() == "kept"
    other.serve("--stop")


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except (ValueError, psutil.Error):  # there is none, or it has just ended
            pass
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def test_in_the_foreground_it_ends_after_a_last_backup(make_head, make_home, log_run, storage, rows):
    head = make_head("home")
    make_home("home")
    with subprocess.Popen(head.words(), stdout=subprocess.PIPE, text=True) as command:
        assert head.uri in command.stdout.readline()
        assert command.stdout.readline() == "end it with Ctrl-C\n"
        log_run(head.uri, "last")
        command.send_signal(signal.SIGTERM)  # as Ctrl-C does
        assert command.wait(60) == 0
        assert command.stdout.read() == ""
    assert head.processes() == {}
    assert rows(Path(storage) / "_mlflow" / "mlflow.db", "SELECT name FROM runs") == [("last",)]


def test_a_server_that_does_not_start_is_one_line_with_the_end_of_its_log(home, free_port, monkeypatch):
    monkeypatch.setattr(supervise, "START_S", 10)
    monkeypatch.setenv("MLFLOW_UVICORN_OPTS", "--nonsense")
    server = ServerSettings(home=home, storage=None, port=free_port)
    server.folder.mkdir()
    (server.folder / "mlflow.log").write_text("of another time\n")
    with pytest.raises(InputError, match=r"does not answer \(.*\): see ") as refused:
        supervise.start(server)
    assert "\n" not in str(refused.value)
    assert "of another time" not in str(refused.value)
    last = (server.folder / "mlflow.log").read_text().splitlines()[-1]
    assert last.strip()[:20] in str(refused.value) or "empty" in str(refused.value)
    assert processes(home) == set()
