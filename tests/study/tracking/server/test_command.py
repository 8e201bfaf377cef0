"""The server's command and environment: the command does not contain the storage."""

import configparser
import socket
import subprocess
import sys

import pytest

from study.tracking.server import supervise
from study.tracking.server.command import server_command
from study.tracking.server.processes import ServerSettings, end, processes

S3 = "s3://bucket/dir?region=eu-west-1&endpoint_override=127.0.0.1:9000&scheme=http"


@pytest.fixture
def run_serve(run, tmp_path):
    """Runs `cops serve` in this process where it must be refused: one line, exit code 2."""

    def refused(*words):
        code, out, err = run("serve", "--home", tmp_path / "home", *words)
        assert (code, out, err.count("\n")) == (2, "", 1)
        return err

    return refused


def test_the_storage_is_only_in_the_environment(tmp_path):
    command, environment = server_command(tmp_path, 5000, "s3://bucket/dir")
    assert environment["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://bucket/dir/_mlflow/artifacts"
    assert "bucket" not in " ".join(command)
    server = ServerSettings(home=tmp_path, storage="s3://bucket/dir", port=5000)
    assert "bucket" not in supervise.configuration(server)
    assert "s3://bucket/dir" in server.environment().values()


def test_options_in_the_uri_become_mlflows_settings(tmp_path):
    _, environment = server_command(tmp_path, 5000, S3)
    assert environment["MLFLOW_ARTIFACTS_DESTINATION"] == "s3://bucket/dir/_mlflow/artifacts"
    assert environment["MLFLOW_S3_ENDPOINT_URL"] == "http://127.0.0.1:9000"
    assert environment["AWS_DEFAULT_REGION"] == "eu-west-1"


@pytest.mark.parametrize("storage", [None, "folder", "uri"])
def test_artefacts_are_in_the_storage_if_there_is_one(storage, tmp_path):
    given = {None: None, "folder": str(tmp_path / "s"), "uri": (tmp_path / "s").as_uri()}[storage]
    _, environment = server_command(tmp_path / "home", 5000, given)
    expected = (
        tmp_path / "home" / "artifacts" if storage is None else tmp_path / "s" / "_mlflow" / "artifacts"
    )
    assert environment["MLFLOW_ARTIFACTS_DESTINATION"] == expected.as_uri()


def test_the_server_ends_before_its_last_backup_is_made(tmp_path):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(supervise.configuration(ServerSettings(home=tmp_path, storage="/s", port=1)))
    # Supervisor ends the program with the highest priority first, and waits for it.
    assert parser.getint("program:backup", "priority") < parser.getint("program:mlflow", "priority")
    assert "program:backup" not in supervise.configuration(
        ServerSettings(home=tmp_path, storage=None, port=1)
    )


def test_a_port_in_use_is_one_line(run_serve):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert f"port {port} cannot be used" in run_serve("--port", port)
        assert f"port {port} cannot be used" in run_serve("--port", port, "--detach")


def test_a_secret_in_the_storage_is_refused_and_not_repeated(run_serve):
    assert "hidden" not in run_serve("--storage", "s3://key:hidden@bucket/dir")


def test_without_a_server_nothing_is_ended(run_serve):
    assert "no server" in run_serve("--stop")


def test_a_home_that_cannot_be_written_is_one_line(run_serve, tmp_path):
    (tmp_path / "home").write_text("a file")
    assert "cannot be written" in run_serve()


def test_processes_are_found_by_their_home(tmp_path):
    first, second = (ServerSettings(home=tmp_path / name, storage=None, port=1) for name in ("a", "ab"))
    waiting = [sys.executable, "-c", "import time; time.sleep(600)"]
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True)"
    ours = subprocess.Popen(
        [sys.executable, "-c", f"{stubborn}; time.sleep(600)"],
        env={**first.environment(), "SUPERVISOR_PROCESS_NAME": "mlflow"},
        stdout=subprocess.PIPE,
    )
    other = subprocess.Popen(waiting, env=second.environment())
    with ours, other:
        try:
            ours.stdout.readline()
            assert processes(first.home) == processes(first.home, "mlflow") == {ours.pid}
            assert processes(first.home, "backup") == set()
            assert processes(second.home) == {other.pid}
            end(first.home, {ours.pid, other.pid}, 0.3)  # never another home's
            assert ours.wait(5) == -9
            assert other.poll() is None
        finally:
            ours.kill()
            other.kill()
