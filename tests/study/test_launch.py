"""Whole studies through the console script: real Ray, real Optuna, real MLflow."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

ENDED = {"finished", "stopped", "diverged", "collapsed"}


def cops(folder, *words, **options):
    """Runs `cops` in a process of its own, as a user does, with its output in pipes."""
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


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory):
    """`cops launch quickstart --trials 24 --seed 0`, once."""
    folder = tmp_path_factory.mktemp("quickstart")
    done = cops(folder, "launch", "quickstart", "--trials", 24, "--seed", 0)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_quickstart_ends_with_a_table_and_what_to_type_next(quickstart):
    _, done = quickstart
    assert done.stderr == ""
    assert "24 of 24 trials" in done.stdout
    for method in ("dense", "prune snip", "freeze snip"):
        assert method in done.stdout
    assert "cops ui" in done.stdout
    assert "cops status quickstart" in done.stdout
    assert "\x1b" not in done.stdout  # quiet where the output is no terminal


def test_the_quickstart_is_in_mlflow_as_one_parent_with_24_runs(quickstart):
    folder, _ = quickstart
    client, parent, nested = children(folder / "cops-home", "quickstart")
    assert parent.info.status == "FINISHED"
    assert len(nested) == 24
    for run in nested:
        tags = run.data.tags
        assert tags["status"] in ENDED
        assert run.info.status == "FINISHED"
        assert run.data.params["training.learning_rate"]
        assert {"method", "target", "control", "arm", "seed", "mlflow.source.git.commit"} <= set(tags)
        assert {"version.ray", "version.torch", "version.optuna", "version.mlflow"} <= set(tags)
        history = client.get_metric_history(run.info.run_id, "validation_accuracy")
        assert [metric.step for metric in history] == list(range(1, len(history) + 1))
        assert len(history) == 30 or tags["status"] != "finished"
        artifacts = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
        expected = {"accounting.json", "config.json"}
        if tags["arm"] != "dense":
            expected |= {"layer_densities.json", "manifest.json", "connectivity.json"}
            assert run.data.metrics["bytes_factor"] > 2
        assert artifacts == expected | {"network.safetensors", "load.py"}


def test_the_same_24_are_in_the_table_and_in_the_records(quickstart):
    folder, _ = quickstart
    _, _, nested = children(folder / "cops-home", "quickstart")
    study = folder / "cops-home" / "studies" / "quickstart"
    rows = pq.read_table(study / "trials.parquet").to_pylist()
    records = [json.loads(path.read_text()) for path in sorted((study / "trials").glob("*.json"))]
    assert len(rows) == len(records) == 24
    runs = {run.data.tags["trial"]: run for run in nested}
    for row, record in zip(rows, records, strict=True):
        run = runs[row["trial"]]
        assert row["number"] == record["number"]
        assert row["status"] == record["status"] == run.data.tags["status"]
        last = record["rows"][-1]["validation_accuracy"]
        assert row["validation_accuracy"] == last == run.data.metrics["validation_accuracy"]
        assert row["epochs"] == len(record["rows"])
    epochs = pq.read_table(study / "epochs.parquet").to_pylist()
    assert len(epochs) == sum(len(record["rows"]) for record in records)


def test_the_anchors_are_among_them_and_were_never_stopped(quickstart):
    folder, _ = quickstart
    rows = pq.read_table(folder / "cops-home/studies/quickstart/trials.parquet").to_pylist()
    anchors = [row for row in rows if row["anchor"]]
    assert [(row["method"], row["freezing_rate"]) for row in anchors] == [
        ("dense", 0.0),
        *(("prune snip", rate) for rate in (0.95, 0.99, 0.995)),
        *(("freeze snip", rate) for rate in (0.95, 0.99, 0.995)),
    ]
    assert {row["status"] for row in anchors} == {"finished"}
    assert "stopped" in {row["status"] for row in rows}
    assert anchors[0]["validation_accuracy"] > 0.9


def test_status_tells_what_the_records_say(quickstart):
    folder, _ = quickstart
    done = cops(folder, "status", "quickstart", "--json")
    content = json.loads(done.stdout)
    assert (content["name"], content["ended"], len(content["all"])) == ("quickstart", 24, 24)
    assert sum(content["status"].values()) == 24
    assert {row["method"] for row in content["best"]} >= {"dense", "prune snip", "freeze snip"}
    assert "24/24" in cops(folder, "status").stdout


def test_the_same_launch_again_finds_everything_done(quickstart):
    folder, _ = quickstart
    before = (folder / "cops-home/studies/quickstart/epochs.parquet").read_bytes()
    again = cops(folder, "launch", "quickstart", "--trials", 9, "--seed", 0)  # fewer take nothing away
    assert again.returncode == 0, again.stderr
    assert "going on after 24 that have ended, nothing is left to run" in again.stdout
    assert (folder / "cops-home/studies/quickstart/epochs.parquet").read_bytes() == before
    _, _, nested = children(folder / "cops-home", "quickstart")
    assert len(nested) == 24


def test_other_settings_under_the_same_name_are_refused_with_the_difference(quickstart):
    folder, _ = quickstart
    other = cops(folder, "launch", "quickstart", "--seed", 1, "--epochs", 3)
    assert other.returncode == 2
    assert "seed 0, now 1" in other.stderr
    assert "epochs None, now 3" in other.stderr


def test_another_study_of_the_home_takes_the_results_and_says_so(quickstart):
    folder, _ = quickstart
    done = cops(folder, "launch", "quickstart", "--name", "again", "--trials", 24, "--seed", 0)
    assert done.returncode == 0, done.stderr
    first, second = (
        pq.read_table(folder / f"cops-home/studies/{name}/trials.parquet").to_pylist()
        for name in ("quickstart", "again")
    )
    reused = [row for row in second if row["reused_from"]]
    finished = {row["identity"]: row for row in first if row["status"] == "finished"}
    assert {row["identity"] for row in reused} <= set(finished)
    assert len(reused) >= 7
    assert f"{len(reused)} reused from other studies" in done.stdout
    for row in reused:
        origin = finished[row["identity"]]
        assert row["reused_from"] == f"quickstart/{origin['trial']}"
        assert row["validation_accuracy"] == origin["validation_accuracy"]
        assert (folder / f"cops-home/studies/again/artifacts/{row['trial']}.safetensors").exists()
    _, _, nested = children(folder / "cops-home", "again")
    assert sum("reused_from" in run.data.tags for run in nested) == len(reused)


def test_a_run_of_mlflow_is_all_that_a_replay_needs(quickstart):
    folder, _ = quickstart
    _, _, nested = children(folder / "cops-home", "quickstart")
    for method in ("freeze snip", "dense"):
        run = next(run for run in nested if run.data.tags["method"] == method)
        done = cops(folder, "replay", run.info.run_id)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "bit for bit" in done.stdout


def test_python_has_the_same_table(quickstart):
    import study

    folder, _ = quickstart
    table = study.load("quickstart", home=folder / "cops-home")
    rows = pq.read_table(folder / "cops-home/studies/quickstart/trials.parquet").to_pylist()
    assert list(table["trial"]) == [row["trial"] for row in rows]
    assert list(table["validation_accuracy"]) == [row["validation_accuracy"] for row in rows]


@pytest.mark.slow
def test_closing_judges_once_and_ends_the_study(quickstart, tmp_path):
    folder, _ = quickstart
    shutil.copytree(folder / "cops-home", tmp_path / "cops-home")
    # Artifacts of the copied database would lie in the other home.
    done = cops(tmp_path, "close", "quickstart", "--top", 1)
    assert done.returncode == 0, done.stderr
    assert "chosen on validation, judged on test" in done.stdout
    (look,) = json.loads((tmp_path / "cops-home/studies/quickstart/closed.json").read_text())
    assert {one["method"] for one in look["results"]} >= {"dense", "prune snip", "freeze snip"}
    assert all(0 < one["test_accuracy"] <= 1 for one in look["results"])
    _, parent, nested = children(tmp_path / "cops-home", "quickstart")
    judged = {run.data.tags["trial"] for run in nested if "test_accuracy" in run.data.metrics}
    assert judged == {one["trial"] for one in look["results"]}
    assert parent.data.tags["status"] == "closed"
    again = cops(tmp_path, "close", "quickstart", "--top", 1)
    assert "this is look 2 at the test images" in again.stdout
    more = cops(tmp_path, "resume", "quickstart", "--trials", 30)
    assert more.returncode == 2
    assert "is closed" in more.stderr


USER_SPACE = """
from cops_core.config import Selection, Training, TrialConfig
from search_spaces.question import Pareto

question = Pareto()
trials = 9

def space(trial):
    rate = trial.suggest_float("learning_rate", {low}, {high}, log=True)
    return TrialConfig(
        arm="freeze", selection=Selection(target="magnitude"), validation_fraction="0.2",
        training=Training(epochs=2, learning_rate=rate, precision="float64"),
    )
"""


@pytest.mark.slow
def test_a_diverged_trial_is_a_result(tmp_path):
    (tmp_path / "mine.py").write_text(USER_SPACE.format(low=1e300, high=1e301))
    done = cops(tmp_path, "launch", "mine.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 finished, 2 diverged" in done.stdout
    rows = pq.read_table(tmp_path / "cops-home/studies/mine/trials.parquet").to_pylist()
    assert [row["status"] for row in rows[7:]] == ["diverged"] * 2
    _, _, nested = children(tmp_path / "cops-home", "mine")
    assert sorted(run.data.tags["status"] for run in nested).count("diverged") == 2


@pytest.mark.slow
def test_smallest_finds_few_weights_that_keep_the_accuracy(tmp_path):
    done = cops(
        *(tmp_path, "launch", "quickstart", "--objective", "smallest", "--keep", "0.9"),
        *("--trials", 12, "--epochs", 8, "--rates", "0.9", "--storage", "records"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fewest weights that keep 90.0% of the dense accuracy" in done.stdout
    rows = pq.read_table(tmp_path / "records/quickstart/trials.parquet").to_pylist()
    assert {row["status"] for row in rows} <= {"finished", "collapsed"}  # no early stopping
    dense = rows[0]
    records = [
        json.loads(path.read_text()) for path in sorted((tmp_path / "records/quickstart/trials").iterdir())
    ]
    assert min(record["started"] for record in records[1:]) >= records[0]["ended"]
    assert any(row["validation_accuracy"] >= 0.9 * dense["validation_accuracy"] for row in rows[1:])


def launch_in_background(folder, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "study.cli", "launch", *map(str, words)],
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


def test_ctrl_c_ends_cleanly_and_the_study_goes_on_where_it_was(tmp_path):
    process = launch_in_background(tmp_path, "quickstart", "--trials", 7, "--epochs", 120)
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
    assert all(cut.values())

    process = launch_in_background(tmp_path, "quickstart", "--trials", 7, "--epochs", 120)
    wait_until(lambda: (tmp_path / "cops-home/studies/quickstart/driver.json").exists(), process)
    second = cops(tmp_path, "resume", "quickstart")
    assert second.returncode == 2
    assert f"is being run by process {process.pid}" in second.stderr
    output, _ = process.communicate(timeout=240)
    assert process.returncode == 0, output
    client, parent, nested = children(tmp_path / "cops-home", "quickstart")
    assert len(nested) == 7
    assert {run.info.status for run in [parent, *nested]} == {"FINISHED"}
    assert set(cut) <= {run.info.run_id for run in nested}  # the same runs, reopened
    for run in nested:
        history = client.get_metric_history(run.info.run_id, "train_loss")
        assert [metric.step for metric in history] == list(range(1, 121))


def test_cops_stop_ends_a_study_from_another_terminal(tmp_path):
    process = launch_in_background(tmp_path, "quickstart", "--trials", 24, "--epochs", 3000)
    wait_until(lambda: trains(tmp_path), process)
    stopped = cops(tmp_path, "stop", "quickstart")
    output, _ = process.communicate(timeout=60)
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert "study quickstart has ended" in stopped.stdout
    assert process.returncode == 1
    assert "it was asked to, by cops stop quickstart" in output
    assert "2 interrupted" in output
    records = list((tmp_path / "cops-home/studies/quickstart/trials").glob("*.json"))
    assert {json.loads(path.read_text())["status"] for path in records} == {"interrupted"}
    assert len(list((tmp_path / "cops-home/studies/quickstart/checkpoints").glob("*.pt"))) == 2
    assert cops(tmp_path, "stop", "quickstart").returncode == 2


def test_several_seeds_are_trials_of_their_own_with_means_in_the_table(tmp_path):
    words = ("launch", "quickstart", "--trials", 5, "--epochs", 3, "--rates", "0.95", "--seeds", 3)
    done = cops(tmp_path, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "±" in done.stdout
    rows = pq.read_table(tmp_path / "cops-home/studies/quickstart/trials.parquet").to_pylist()
    anchors = [row for row in rows if row["anchor"]]
    assert [(row["configuration"], row["seed_index"]) for row in anchors] == [
        (number, index) for number in range(3) for index in range(3)
    ]
    assert len({row["seed"] for row in rows}) == 3
    _, _, nested = children(tmp_path / "cops-home", "quickstart")
    assert len(nested) == len(rows)
    status = json.loads(cops(tmp_path, "status", "quickstart", "--json").stdout)
    assert status["name"] == "quickstart"


FAILING = """
from cops_core.config import Selection, TrialConfig, Training

def space(trial):
    rate = trial.suggest_float("learning_rate", 0.01, 0.1)
    return TrialConfig(
        arm="prune", selection=Selection(target="snip", samples_per_class=10**6),
        training=Training(epochs=1, learning_rate=rate),
    )
"""


@pytest.mark.slow
def test_too_many_failures_end_a_study_early_and_each_says_why(tmp_path):
    (tmp_path / "failing.py").write_text(FAILING)
    done = cops(tmp_path, "launch", "failing.py", "--rates", "0.9", "--trials", 12, "--concurrency", 1)
    assert done.returncode == 1
    assert "the study ended early: 4 of 12 trials failed, more than the share of 25%" in done.stdout
    status = cops(tmp_path, "status", "failing")
    assert "samples_per_class" in status.stdout
    client, _, nested = children(tmp_path / "cops-home", "failing")
    failed = [run for run in nested if run.data.tags["status"] == "failed"]
    assert len(failed) == 4
    for run in failed:
        assert run.info.status == "FAILED"
        assert "samples_per_class" in run.data.tags["reason"]
        assert "log.txt" in {artifact.path for artifact in client.list_artifacts(run.info.run_id)}


def trains(folder):
    """Whether the study's first epochs are in MLflow. Its database is not touched while it is created."""
    if not (folder / "cops-home/studies/quickstart/study.json").exists():
        return False
    client = MlflowClient(f"sqlite:///{folder / 'cops-home' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cops-study")
    return experiment is not None and any(
        run.data.metrics for run in client.search_runs([experiment.experiment_id])
    )


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


@pytest.mark.fashion
def test_fashion_mnist_runs_on_the_real_images(tmp_path):
    done = cops(tmp_path, "launch", "fashion_mnist", "--trials", 12, "--epochs", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pq.read_table(tmp_path / "cops-home/studies/fashion_mnist/trials.parquet").to_pylist()
    assert len(rows) == 12
    assert {row["status"] for row in rows} <= ENDED
    assert rows[0]["method"] == "dense"
    assert rows[0]["parameters"] == 266_610
    assert rows[0]["validation_accuracy"] > 0.85
    _, _, nested = children(tmp_path / "cops-home", "fashion_mnist")
    assert len(nested) == 12


@pytest.mark.fashion
def test_pareto_searches_a_continuous_rate(tmp_path):
    done = cops(tmp_path, "launch", "freezing_rates", "--trials", 11, "--epochs", 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no trial beats these in both accuracy and density" in done.stdout
    rows = pq.read_table(tmp_path / "cops-home/studies/freezing_rates/trials.parquet").to_pylist()
    assert {row["status"] for row in rows} == {"finished"}
    assert len({row["density"] for row in rows}) == 1 + 3 + 4


@pytest.mark.fashion
def test_score_pairs_combines_every_trial(tmp_path):
    done = cops(tmp_path, "launch", "score_pairs", "--trials", 9, "--epochs", 1, "--rates", "0.98")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = pq.read_table(tmp_path / "cops-home/studies/score_pairs/trials.parquet").to_pylist()
    assert len(rows) == 9
    assert all(row["control"] is not None for row in rows if not row["anchor"])


PAIRS = """
from cops_core.config import TrialConfig
from search_spaces.score_pairs import score_pairs
from search_spaces.question import Rates

question = Rates()
trials = 67

def space(trial):
    found = score_pairs(trial)
    return found.changed(dataset="digits", training=found.training.model_copy(update={"epochs": 1}))
"""


@pytest.mark.slow
def test_sixty_combinations_on_one_initialisation_compute_each_score_once(tmp_path):
    """60 one-shot pairs, beside the anchors, by two workers that share a cache."""
    (tmp_path / "pairs.py").write_text(PAIRS)
    done = cops(
        tmp_path, "launch", "pairs.py", "--concurrency", 2, "--score-cache", tmp_path / "scores", "--seed", 5
    )
    assert done.returncode == 0, done.stdout + done.stderr
    records = [
        json.loads(path.read_text())
        for path in (tmp_path / "cops-home" / "studies" / "pairs" / "trials").glob("*.json")
    ]
    facts = [record["facts"] for record in records]
    pairs = [fact for fact in facts if fact["manifest"] and len(fact["manifest"]["scores"]) == 2]
    assert len(records) == 67
    assert len(pairs) == 60
    used = {name for fact in pairs for name in fact["manifest"]["scores"]}
    assert used == {"magnitude", "snip", "grasp", "synflow", "random"}
    computed = Counter(name for fact in facts for name in fact["scores_computed"])
    assert computed == dict.fromkeys(used, 1)
    cached = sum(sum(fact["scores_cached"].values()) for fact in facts)
    assert cached == 2 * 60 + 6 - len(used)
    assert f"scores: {len(used)} computed, {cached} times one that was there already" in done.stdout


COLLAPSE = """
from cops_core.config import Selection, TrialConfig, Training

def space(trial):
    trial.suggest_float("nothing", 0, 1)
    return TrialConfig(arm="prune", selection=Selection(target="synflow"), training=Training(epochs=2))
"""


@pytest.mark.slow
def test_collapsed_networks_are_results_of_a_study(tmp_path):
    (tmp_path / "collapse.py").write_text(COLLAPSE)
    done = cops(tmp_path, "launch", "collapse.py", "--rates", "0.995", "--trials", 4)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 collapsed" in done.stdout
    assert "prune synflow (collapsed)" in done.stdout
    assert "10.00%" in done.stdout
    (row,) = [
        row
        for row in pq.read_table(tmp_path / "cops-home/studies/collapse/trials.parquet").to_pylist()
        if row["status"] == "collapsed"
    ]
    assert (row["disconnected"], row["effective_density"], row["epochs"]) == (True, 0.0, 1)
    _, _, nested = children(tmp_path / "cops-home", "collapse")
    (run,) = [run for run in nested if run.data.tags["status"] == "collapsed"]
    assert run.info.status == "FINISHED"
    assert run.data.metrics["validation_accuracy"] == 0.1


@pytest.mark.slow
def test_two_studies_at_once_on_one_home_do_not_disturb_each_other(tmp_path):
    words = ("--trials", 9, "--epochs", 20, "--concurrency", 1, "--rates", "0.95", "--fresh")
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
