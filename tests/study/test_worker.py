"""The worker: what runs inside a Ray actor, here without one."""

import json

import pytest

from cops_core.config import Selection, Training, TrialConfig
from study.runner import worker as worker_module
from study.runner.worker import TrialWorker

METRICS = ("epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate")


@pytest.fixture
def task(tmp_path):
    def make(**changes):
        fields = {
            "arm": "freeze",
            "selection": Selection(target="snip"),
            "density": "0.05",
            "validation_fraction": "0.2",
            "training": Training(epochs=4),
        }
        config = TrialConfig(**{**fields, **changes})
        return {
            "threads": 1,
            "gpu": False,
            "data_root": str(tmp_path),
            "plugins": "[]",
            "score_cache": str(tmp_path / "scores"),
            "trial": config.model_dump_json(),
        }

    return make


def metrics(result):
    return [result[name] for name in METRICS]


def run(worker):
    results = []
    while not results or not results[-1]["done"]:
        results.append(worker.step())
    return results


def test_a_trial_reports_its_facts_once_and_its_metrics_each_epoch(task):
    results = run(TrialWorker(task()))
    assert [result["epoch"] for result in results] == [1, 2, 3, 4]
    assert ["facts" in result for result in results] == [True, False, False, False]
    assert json.loads(results[0]["facts"])["kept_weights"] == 2510
    assert [result["status"] for result in results] == ["running"] * 3 + ["finished"]


def test_the_test_accuracy_comes_with_the_last_epoch(task):
    results = run(TrialWorker(task(test=True, training=Training(epochs=2))))
    assert "test_accuracy" not in json.loads(results[0]["facts"])
    assert 0.5 < json.loads(results[-1]["facts"])["test_accuracy"] <= 1


def test_another_worker_goes_on_from_a_checkpoint(task, tmp_path):
    expected = [metrics(result) for result in run(TrialWorker(task()))]
    first = TrialWorker(task())
    assert [metrics(first.step()), metrics(first.step())] == expected[:2]
    first.save_checkpoint(str(tmp_path))
    second = TrialWorker(task())
    second.load_checkpoint(str(tmp_path))
    assert [metrics(result) for result in run(second)] == expected[2:]


def test_a_checkpoint_is_asked_for_from_time_to_time(task, monkeypatch):
    worker = TrialWorker(task())
    assert "should_checkpoint" not in worker.step()
    monkeypatch.setattr(worker_module, "CHECKPOINT_INTERVAL_S", 0.0)
    assert worker.step()["should_checkpoint"]
    monkeypatch.setattr(worker_module, "CHECKPOINT_INTERVAL_S", 60.0)
    assert "should_checkpoint" not in worker.step()


def test_the_next_trial_in_the_same_process_is_as_if_alone(task):
    alone = [metrics(result) for result in run(TrialWorker(task(arm="prune")))]
    worker = TrialWorker(task())
    run(worker)
    assert worker.reset_config(task(arm="prune"))
    results = run(worker)
    assert [metrics(result) for result in results] == alone
    assert "facts" in results[0]


def test_an_exception_is_a_result_with_its_reason(task):
    failing = task(selection=Selection(target="snip", samples_per_class=10**6))
    result = TrialWorker(failing).step()
    assert (result["status"], result["done"]) == ("failed", True)
    assert "samples_per_class" in result["reason"]
    assert "Traceback" in result["trace"]
