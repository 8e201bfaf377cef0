"""Studies that are interrupted, stopped or killed, or that fail; two studies at the same time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from study.places import tracking

from .command import children, cops, launch_in_background, trains, wait_until


@pytest.mark.slow
def test_ctrl_c_ends_cleanly_and_the_study_is_resumed(tmp_path):
    words = ("quickstart", "--rates", "0.95", "--trials", 3, "--epochs", 120)
    process = launch_in_background(tmp_path, *words)
    wait_until(lambda: trains(tmp_path), process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "2 interrupted" in output
    assert "cops resume quickstart" in output
    assert "Traceback" not in output
    client, parent, nested = children(tmp_path / "cops-home", "quickstart")
    assert {run.info.status for run in [parent, *nested]} == {"KILLED"}
    cut = {run.info.run_id: len(client.get_metric_history(run.info.run_id, "train_loss")) for run in nested}
    assert any(cut.values())  # the other one may have been about to report its first epoch

    process = launch_in_background(tmp_path, *words)
    wait_until(lambda: (tmp_path / "cops-home/studies/quickstart/driver.json").exists(), process)
    second = cops(tmp_path, "resume", "quickstart")
    assert second.returncode == 2
    assert f"is already run by process {process.pid}" in second.stderr
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    client, parent, nested = children(tmp_path / "cops-home", "quickstart")
    assert len(nested) == 3
    assert {run.info.status for run in [parent, *nested]} == {"FINISHED"}
    assert set(cut) <= {run.info.run_id for run in nested}  # the same runs, reopened
    for run in nested:
        history = client.get_metric_history(run.info.run_id, "train_loss")
        assert [metric.step for metric in history] == list(range(1, 121))


@pytest.mark.slow
def test_cops_stop_ends_a_study_from_another_terminal(tmp_path):
    process = launch_in_background(tmp_path, "quickstart", "--trials", 24, "--epochs", 3000)
    wait_until(lambda: trains(tmp_path), process)
    stopped = cops(tmp_path, "stop", "quickstart")
    output, _ = process.communicate(timeout=60)
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert "study quickstart has ended" in stopped.stdout
    assert process.returncode == 1
    assert "it was stopped by cops stop quickstart" in output
    assert "2 interrupted" in output
    records = list((tmp_path / "cops-home/studies/quickstart/trials").glob("*.json"))
    assert {json.loads(path.read_text())["status"] for path in records} == {"interrupted"}
    assert len(list((tmp_path / "cops-home/studies/quickstart/checkpoints").glob("*.pt"))) == 2
    assert cops(tmp_path, "stop", "quickstart").returncode == 2


FAILING = """
from cops_core.config import Selection, TrialConfig, Training

def space(trial):
    rate = trial.suggest_float("learning_rate", 0.01, 0.1)
    return TrialConfig(
        model="failing", arm="prune", selection=Selection(target="magnitude"),
        training=Training(epochs=1, learning_rate=rate),
    )
"""


# It works with the few images of the checks before a study.
FAILING_MODEL = """
from torch import nn

class Failing(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.layer = nn.Linear(shape[0] * shape[1] * shape[2], classes)

    def forward(self, images):
        if self.training and len(images) > 50:
            raise ValueError("too many images")
        return self.layer(images.flatten(1))

MODELS = {"failing": Failing}
"""


@pytest.mark.slow
def test_too_many_failures_end_a_study_early_and_each_has_a_reason(tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    (tmp_path / "model.py").write_text(FAILING_MODEL)
    words = ("--plugin", "model.py", "--rates", "0.9", "--trials", 12, "--concurrency", 1)
    done = cops(tmp_path, "launch", "failing.py", *words)
    assert done.returncode == 1
    assert "the study ended early: 4 of 12 trials failed" in done.stdout
    status = cops(tmp_path, "status", "failing", "--plugin", "model.py")
    assert "too many images" in status.stdout
    client, _, nested = children(tmp_path / "cops-home", "failing")
    failed = [run for run in nested if run.data.tags["status"] == "failed"]
    assert len(failed) == 4
    for run in failed:
        assert run.info.status == "FAILED"
        assert "too many images" in run.data.tags["reason"]
        assert "log.txt" in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


@pytest.mark.slow
def test_a_killed_worker_costs_no_trial(tmp_path):
    process = launch_in_background(tmp_path, "quickstart", "--trials", 7, "--epochs", 60)

    def worker():
        tree = psutil.Process(process.pid).children(recursive=True)
        return [p for p in tree if "TrialWorker" in " ".join(p.cmdline())]

    wait_until(lambda: trains(tmp_path), process)
    os.kill(wait_until(worker, process)[0].pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    assert "7 finished" in output
    epochs = pq.read_table(tmp_path / "cops-home/studies/quickstart/epochs.parquet").to_pylist()
    assert [row["epoch"] for row in epochs] == list(range(1, 61)) * 7


@pytest.mark.slow
def test_two_studies_on_one_home_do_not_disturb_each_other(tmp_path):
    words = ("--trials", 9, "--epochs", 4, "--concurrency", 1, "--rates", "0.95", "--fresh")
    alone = tmp_path / "alone"
    alone.mkdir()
    for name, seed in (("one", 1), ("two", 2)):
        assert cops(alone, "launch", "quickstart", "--name", name, "--seed", seed, *words).returncode == 0
    both = [
        launch_in_background(tmp_path, "quickstart", "--name", name, "--seed", seed, *words)
        for name, seed in (("one", 1), ("two", 2))
    ]
    for process in both:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
    for name in ("one", "two"):
        tables = [
            pq.read_table(folder / "cops-home/studies" / name / "epochs.parquet").drop(["train_seconds"])
            for folder in (alone, tmp_path)
        ]
        assert tables[0].equals(tables[1])
        _, parent, nested = children(tmp_path / "cops-home", name)
        assert len(nested) == 9
        assert {run.info.status for run in [parent, *nested]} == {"FINISHED"}


@pytest.mark.slow
def test_the_command_that_restores_a_deleted_experiment_works_as_printed(tmp_path):
    """As text for a shell, in another folder, for a home whose name has signs of URIs and a space."""
    home = tmp_path / "my home 50%?"
    words = ("launch", "quickstart", "--home", home, "--rates", "0.9", "--epochs", 1)
    first = cops(tmp_path, *words, "--trials", 3)
    assert first.returncode == 0, first.stdout + first.stderr
    uri = tracking(home, None)
    client = MlflowClient(uri)
    (experiment,) = (e for e in client.search_experiments() if e.name == "cops-study")
    client.delete_experiment(experiment.experiment_id)
    refused = cops(tmp_path, *words, "--trials", 4)
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    command = line.split("`")[1]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    (tmp_path / "elsewhere").mkdir()
    restored = subprocess.run(
        ["sh", "-c", command],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert client.get_experiment(experiment.experiment_id).lifecycle_stage == "active"
    more = cops(tmp_path, *words, "--trials", 4)
    assert more.returncode == 0, more.stdout + more.stderr
    runs = client.search_runs([experiment.experiment_id], "tags.trial != ''")
    assert len(runs) == 4
    assert {run.data.tags["status"] for run in runs} == {"finished"}
