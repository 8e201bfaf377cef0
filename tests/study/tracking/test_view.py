"""MLflow's view of a study, in a real database and behind a real server."""

import math
import subprocess
import sys
import time

import psutil
import pytest
import requests
from mlflow import MlflowClient

from cops_core.errors import InputError
from study.tracking import MlflowWriter, connect, experiment_id

SETTINGS = {"space": "quickstart", "trials": 2, "question": {"kind": "rates", "rates": ["0.99"]}}


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture(params=["sqlite", "server"])
def tracking_uri(request, home):
    if request.param == "sqlite":
        return f"sqlite:///{home / 'mlflow.db'}"
    return request.getfixturevalue("mlflow_server")


def write_study(home, uri, trials):
    client = connect(uri, home)
    writer = MlflowWriter(client, experiment_id(client, uri, home), "mine", SETTINGS)
    for trial in trials:
        writer.started(trial)
        for row in trial.rows:
            writer.reported(trial, row)
        writer.ended(trial)
    writer.close(complete=True, tables={"trials.parquet": b"PAR1"})
    assert writer.errors == []
    return client, writer.parent


def children(client, parent):
    experiment = client.get_run(parent).info.experiment_id
    found = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    return sorted(found, key=lambda run: run.data.tags["trial"])


def test_each_trial_is_a_run_below_one_parent(home, tracking_uri, ended):
    trials = [ended(0), ended(1, "stopped", (0.1, 0.2, 0.3)), ended(2, "failed", (), reason="gone")]
    client, parent = write_study(home, tracking_uri, trials)
    runs = children(client, parent)
    assert [run.data.tags["status"] for run in runs] == ["finished", "stopped", "failed"]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED"]
    assert client.get_run(parent).info.status == "FINISHED"
    assert client.get_run(parent).data.params["question.kind"] == "rates"
    assert {artifact.path for artifact in client.list_artifacts(parent)} == {"study.json", "trials.parquet"}

    run = runs[1]
    assert run.data.params["selection.target"] == "snip"
    assert run.data.params["training.learning_rate"] == "0.05"
    tags = run.data.tags
    assert (tags["method"], tags["arm"], tags["target"], tags["rate"]) == (
        "freeze snip",
        "freeze",
        "snip",
        "0.99",
    )
    assert tags["seed"] == str(trials[1].config.seed)
    assert tags["version.torch"].startswith("2.")
    assert "mlflow.source.git.commit" in tags
    assert run.data.metrics["compression"] == 10.0
    history = client.get_metric_history(run.info.run_id, "validation_accuracy")
    assert [(metric.step, metric.value) for metric in history] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert {artifact.path for artifact in client.list_artifacts(run.info.run_id)} == {
        "layer_densities.json",
        "manifest.json",
    }


def test_the_loss_of_a_diverged_trial_is_kept(home, tracking_uri, ended):
    trial = ended(0, "diverged")
    trial.rows[-1]["train_loss"] = math.nan
    client, parent = write_study(home, tracking_uri, [trial])
    (run,) = children(client, parent)
    assert math.isnan(run.data.metrics["train_loss"])


def test_what_mlflow_does_not_take_is_counted_and_ends_nothing(home, ended):
    uri = f"sqlite:///{home / 'mlflow.db'}"
    client = connect(uri, home)
    writer = MlflowWriter(client, experiment_id(client, uri, home), "mine", SETTINGS)
    writer.client = _Broken()
    writer.started(ended(0))
    writer.ended(ended(0))
    writer.close(complete=True, tables={})
    assert len(writer.errors) == 3  # opening the run, closing it, closing the parent


class _Broken:
    def __getattr__(self, name):
        raise ConnectionError("gone")


@pytest.mark.slow
def test_many_launches_may_open_one_new_database(home):
    uri = f"sqlite:///{home / 'mlflow.db'}"
    code = (
        "from pathlib import Path; from study.tracking import connect, experiment_id\n"
        f"uri, home = {uri!r}, Path({str(home)!r})\n"
        "print(experiment_id(connect(uri, home), uri, home))"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0] * 4, outputs
    assert len({out for out, _ in outputs}) == 1
    assert len(MlflowClient(uri).search_experiments()) == 2  # MLflow's own "Default", and ours


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////proc/nosuch/mlflow.db", "nosuch://x"])
def test_a_store_that_does_not_answer_is_one_line_and_quick(home, uri):
    started = time.monotonic()
    with pytest.raises(InputError, match="does not answer") as caught:
        connect(uri, home)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 60


def test_the_ui_serves_the_home_on_this_machine_alone(home, ended, free_port):
    _, parent = write_study(home, f"sqlite:///{home / 'mlflow.db'}", [ended(0)])
    command = [sys.executable, "-m", "study.cli", "ui", "--home", str(home), "--port", str(free_port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://127.0.0.1:{free_port}/health", server)
            page = requests.get(f"http://127.0.0.1:{free_port}/", timeout=10)
            assert "MLflow" in page.text
            remote = MlflowClient(f"http://127.0.0.1:{free_port}")
            (run,) = children(remote, parent)
            assert len(remote.list_artifacts(run.info.run_id)) == 2
            listening = [c.laddr for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            assert {address.ip for address in listening if address.port == free_port} == {"127.0.0.1"}
        finally:
            server.terminate()
            assert server.wait(30) is not None
    with pytest.raises(requests.ConnectionError):  # nothing is left behind
        requests.get(f"http://127.0.0.1:{free_port}/health", timeout=2)


def wait_for(url, server):
    for _ in range(240):
        assert server.poll() is None, "the server ended"
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.25)
    pytest.fail(f"{url} did not answer")
