"""`cops` in a separate process, and its runs in MLflow."""

import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

ENDED = {"finished", "stopped", "diverged", "collapsed"}


def cops(folder, *words, **options):
    """Runs `cops` in a separate process, as a user does, with its output in pipes."""
    done = subprocess.run(
        [sys.executable, "-m", "study.cli", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )
    return done


def children(home, name):
    """The study's nested runs in MLflow's database, and the parent."""
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cops-study").experiment_id
    runs = client.search_runs([experiment], f"tags.study = '{name}'", max_results=1000)
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (parent,) = [run for run in runs if run not in nested]
    assert {run.data.tags["mlflow.parentRunId"] for run in nested} <= {parent.info.run_id}
    return client, parent, nested


def launch_in_background(folder, *words):
    return in_background(folder, "launch", *words)


def in_background(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "study.cli", *map(str, words)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until(condition, process, seconds=90):
    for _ in range(int(seconds * 10)):
        if found := condition():
            return found
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.1)
    return pytest.fail("it did not happen in time")


def trains(folder):
    """Whether the study's first epochs are in MLflow. Its database is not touched while it is created."""
    if not (folder / "cops-home/studies/quickstart/study.json").exists():
        return False
    client = MlflowClient(f"sqlite:///{folder / 'cops-home' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cops-study")
    return experiment is not None and any(
        run.data.metrics for run in client.search_runs([experiment.experiment_id])
    )
