"""Whole studies of other spaces and questions, and of spaces in a user's file."""

import json
from collections import Counter

import pyarrow.parquet as pq
import pytest

from .command import ENDED, children, cops

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
    assert "9 diverged" in done.stdout  # the baselines, too: they have the space's learning rates
    rows = pq.read_table(tmp_path / "cops-home/studies/mine/trials.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["diverged"] * 9
    _, _, nested = children(tmp_path / "cops-home", "mine")
    assert sorted(run.data.tags["status"] for run in nested).count("diverged") == 9


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
    assert all(row["control"] is not None for row in rows if not row["baseline"])


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
    """60 one-shot pairs and the baselines, run by two workers that share a cache."""
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
    assert f"scores: {len(used)} computed, {cached} from the cache" in done.stdout


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
    assert "(collapsed)" in done.stdout
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


REJECTING = """
from optuna import TrialPruned

from cops_core.config import Control, Selection, Training, TrialConfig

SCORES = ["snip", "magnitude"]

def space(trial):
    target, control = (trial.suggest_categorical(name, SCORES) for name in ("target", "control"))
    if target == control:
        raise TrialPruned(f"{target} cannot control itself")
    selection = Selection(target=target, controls=[Control(score=control, level=0.3)])
    return TrialConfig(arm="freeze", selection=selection, training=Training(epochs=1))
"""


@pytest.mark.slow
def test_draws_that_a_space_rejects_are_trials_of_a_study(tmp_path):
    (tmp_path / "mine.py").write_text(REJECTING)
    words = ("launch", "mine.py", "--rates", "0.9", "--seeds", 2, "--sampler", "random")
    done = cops(tmp_path, *words, "--trials", 8)
    assert done.returncode == 0, done.stdout + done.stderr
    more = cops(tmp_path, *words, "--trials", 12)
    assert more.returncode == 0, more.stdout + more.stderr
    folder = tmp_path / "cops-home/studies/mine"
    records = [json.loads(path.read_text()) for path in sorted((folder / "trials").glob("*.json"))]
    assert {record["configuration"] for record in records} == set(range(12))
    rejected = [record for record in records if record["status"] == "rejected"]
    assert len(rejected) > 2
    assert f"{len(rejected)} rejected" in more.stdout
    for record in rejected:
        target = record["parameters"]["target"]
        assert record["parameters"]["control"] == target
        assert record["reason"] == f"TrialPruned: {target} cannot control itself"
        assert (record["rows"], record["facts"]) == ([], {})
    rows = pq.read_table(folder / "trials.parquet").to_pylist()
    (row, *_) = [row for row in rows if row["status"] == "rejected"]
    assert (row["method"], row["config"]) == ("rejected by the space", None)
    assert json.loads(row["proposed"]) == rejected[0]["parameters"]
    _, _, nested = children(tmp_path / "cops-home", "mine")
    assert len(nested) == len(records)
    (run, *_) = runs = [run for run in nested if run.data.tags["status"] == "rejected"]
    assert len(runs) == len(rejected)
    assert run.info.status == "FINISHED"
    assert run.data.params.keys() == {"target", "control"}
    assert "cannot control itself" in run.data.tags["reason"]
    for command in (["status"], ["report"], ["export", "--format", "optuna"], ["close"]):
        told = cops(tmp_path, command[0], "mine", *command[1:])
        assert told.returncode == 0, told.stdout + told.stderr
    shown = cops(tmp_path, "show", f"mine/{rejected[0]['number']}")
    assert "cannot control itself" in shown.stdout
    assert "rejected by the space" in shown.stdout
