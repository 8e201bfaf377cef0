"""A real Ray cluster of a head and two workers with declared GPUs, on this machine."""

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from study.run.ray.deaths import WORKERS

pytestmark = pytest.mark.slow

CHECKPOINT_S = 0.5


@pytest.fixture
def cluster():
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


@pytest.fixture
def cops(tmp_path, cluster):
    """Starts `cops` on the cluster, in the test's own folder."""
    running = []

    def start(*words):
        command = [sys.executable, "-m", "study.cli", *map(str, words), "--address", cluster.address]
        log = (tmp_path / "log").open("w")
        running.append(subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "cops-home" / "studies" / "quickstart" / "trials"

    def read():
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]

    return read


def wait(process, condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)


def launch(cops, trials, epochs, *more):
    return cops(
        *("launch", "quickstart", "--trials", trials, "--epochs", epochs),
        *("--sampler", "random", "--stopping", "none", "--device", "cpu"),
        *("--checkpoint-every", CHECKPOINT_S, *more),
    )


def test_eight_trials_at_once_on_halves_of_four_gpus(cluster, cops, records, tmp_path):
    for _ in range(2):
        cluster.add_node(num_cpus=4, num_gpus=2)
    study = launch(cops, 8, 500, "--gpus-per-trial", 0.5)
    assert study.wait(400) == 0, (tmp_path / "log").read_text()
    trials = records()
    assert "8 trials, as many as fit at a time, 0.5 GPU each" in (tmp_path / "log").read_text()
    assert {trial["status"] for trial in trials} == {"finished"}
    began = max(trial["stamps"][0] / 1000 for trial in trials)
    assert began < min(trial["ended"] for trial in trials)
    placed = [trial["facts"]["placed"] for trial in trials]
    assert {place["gpus"] for place in placed} == {0.5}
    by_gpu = Counter((place["node_id"], place["visible_gpus"]) for place in placed)
    assert len({node for node, _ in by_gpu}) == 2
    assert {gpu for _, gpu in by_gpu} == {"0", "1"}  # each sees its own, and no other
    assert set(by_gpu.values()) == {2}


def test_a_node_that_joins_takes_trials_and_one_that_is_killed_costs_none(cluster, cops, records, tmp_path):
    first = cluster.add_node(num_cpus=2)
    study = launch(cops, 9, 400)
    wait(study, records)
    cluster.add_node(num_cpus=2)
    wait(study, lambda: len({r["facts"]["placed"]["node_id"] for r in records() if r["facts"]}) == 2)
    time.sleep(2 * CHECKPOINT_S)
    killed = time.time()
    cluster.remove_node(first, allow_graceful=False)
    assert study.wait(400) == 0, (tmp_path / "log").read_text()
    trials = records()
    assert [trial["number"] for trial in trials] == list(range(9))
    for trial in trials:
        assert trial["status"] == "finished"
        assert [row["epoch"] for row in trial["rows"]] == list(range(1, 401))
    resumed = [trial for trial in trials if trial["facts"]["placed"]["resumed_after"]]
    assert resumed
    for trial in resumed:
        checkpoint = trial["stamps"][trial["facts"]["placed"]["resumed_after"] - 1] / 1000
        assert killed - checkpoint < 4 * CHECKPOINT_S  # two cores carry four trials and their driver


def test_lost_nodes_do_not_count_against_their_trial(cluster, cops, records, tmp_path):
    """More of them than dead workers would be allowed."""
    node = cluster.add_node(num_cpus=1)
    study = launch(cops, 7, 4000, "--concurrency", 1)
    for _ in range(WORKERS + 1):
        wait(study, lambda node=node: here(records(), node))
        cluster.remove_node(node, allow_graceful=False)
        node = cluster.add_node(num_cpus=1)
    wait(study, lambda: here(records(), node))
    study.terminate()
    assert [trial["status"] for trial in records()] == ["running"]


def here(trials, node):
    """Whether the trial runs on this node."""
    return any(trial["facts"].get("placed", {}).get("node_id") == node.node_id for trial in trials)


def test_a_node_that_was_just_lost_is_no_obstacle(cluster, cops, tmp_path):
    lost = cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    cluster.remove_node(lost, allow_graceful=False)
    assert cops("check", "--storage", tmp_path / "shared").wait(120) == 0
    log = (tmp_path / "log").read_text()
    assert len([line for line in log.splitlines() if line.split()[-1:] == ["ok"]]) == 2


def test_the_check_names_what_is_wrong_and_a_launch_refuses(cluster, cops, tmp_path):
    cluster.add_node(num_cpus=1, num_gpus=1)
    check = ("check", "--storage", tmp_path / "shared", "--dataset", "digits")
    assert cops(*check, "--device", "cpu").wait(120) == 0
    log = (tmp_path / "log").read_text()
    assert len([line for line in log.splitlines() if line.split()[-1:] == ["ok"]]) == 2
    assert cops(*check).wait(120) == 2
    wrong = [line for line in (tmp_path / "log").read_text().splitlines() if line.startswith("node 1")]
    assert len(wrong) == 1
    assert f"({os.uname().nodename}): Ray has 1 GPUs there, and torch can use 0" in wrong[0]
    assert cops("launch", "quickstart", "--gpus-per-trial", "auto").wait(120) == 2
    assert "1 of the cluster's 2 nodes cannot run this study" in (tmp_path / "log").read_text()
    assert not (tmp_path / "cops-home" / "studies").exists()
