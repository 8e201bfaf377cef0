"""The connection to MLflow: one new database for many launches, and stores that do not answer."""

import subprocess
import sys
import time

import pytest
from mlflow import MlflowClient

from cops_core.errors import InputError
from study.tracking import EXPERIMENT, connect, experiment_id


@pytest.mark.slow
def test_many_launches_may_open_one_new_database(home):
    sqlite = f"sqlite:///{home / 'mlflow.db'}"
    code = (
        "from pathlib import Path; from study.tracking import connect, experiment_id\n"
        f"uri, home = {sqlite!r}, Path({str(home)!r})\n"
        "print(experiment_id(connect(uri), uri, home))"
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
    assert len(MlflowClient(sqlite).search_experiments()) == 2  # MLflow's own "Default", and ours


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "sqlite:////proc/nosuch/mlflow.db", "nosuch://x"])
def test_a_store_that_does_not_answer_is_one_line_and_quick(home, uri):
    started = time.monotonic()
    with pytest.raises(InputError, match="does not answer") as caught:
        connect(uri)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 60


def test_a_deleted_experiment_is_one_line_that_says_how_to_restore_it(home, sqlite):
    client = connect(sqlite)
    experiment = experiment_id(client, sqlite, home)
    client.delete_experiment(experiment)
    with pytest.raises(InputError, match=f"restore -x {experiment}"):
        experiment_id(client, sqlite, home)
    client.restore_experiment(experiment)
    assert experiment_id(client, sqlite, home) == experiment
    assert client.get_experiment(experiment).name == EXPERIMENT
