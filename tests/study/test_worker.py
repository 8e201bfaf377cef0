"""The worker: what runs inside a Ray actor, here without one."""

import hashlib
import json
from decimal import Decimal

import pytest
import torch

from cops_core.artifact import load_artifact
from cops_core.config import Selection, Training, TrialConfig
from cops_core.data import load_split
from study.runner import worker as worker_module
from study.runner.worker import TrialWorker
from study.store import StudyStore

METRICS = ("epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate")


@pytest.fixture
def task(tmp_path):
    StudyStore(str(tmp_path), "mine").create({})

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
            "storage": str(tmp_path),
            "study": "mine",
            "name": "00003-abcdef00",
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
    assert ["facts" in result for result in results] == [True, False, False, True]
    assert json.loads(results[0]["facts"])["kept_weights"] == 2510
    assert [result["status"] for result in results] == ["running"] * 3 + ["finished"]


@pytest.mark.parametrize("arm", ["freeze", "prune", "freeze_wd"])
def test_a_finished_trial_leaves_its_network_in_the_storage(task, tmp_path, arm):
    results = run(TrialWorker(task(arm=arm, training=Training(epochs=1))))
    facts = json.loads(results[-1]["facts"])
    file = tmp_path / "mine" / facts["artifact"]["file"]
    assert file.name == "00003-abcdef00.safetensors"
    content = file.read_bytes()
    assert hashlib.sha256(content).hexdigest() == facts["artifact"]["sha256"]
    assert facts["accounting"]["artifact_bytes"] == len(content)
    artifact = load_artifact(file)
    assert artifact.header.arm == arm
    split = load_split("digits", tmp_path, 0, Decimal("0.2"))
    with torch.no_grad():
        right = artifact.model(split.validation.images).argmax(dim=1) == split.validation.labels
    assert float(right.float().mean()) == pytest.approx(results[-1]["validation_accuracy"])


def test_a_full_disk_does_not_undo_the_training(task, tmp_path, monkeypatch):
    def full(self, name, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StudyStore, "write", full)
    last = run(TrialWorker(task(training=Training(epochs=1))))[-1]
    facts = json.loads(last["facts"])
    assert last["status"] == "finished"
    assert "artifact" not in facts
    assert "No space left on device" in facts["artifact_missing"]


@pytest.mark.parametrize("end", ["reset", "cleanup"])
def test_a_stopped_trial_leaves_its_network_too(task, tmp_path, end):
    worker = TrialWorker(task())
    worker.step()
    folder = tmp_path / "mine" / "artifacts"
    assert not list(folder.iterdir())
    if end == "reset":
        worker.reset_config(task() | {"name": "00004-12345678"})
    else:
        worker.cleanup()
    (file,) = folder.iterdir()
    assert file.name == "00003-abcdef00.safetensors"
    assert load_artifact(file).header.arm == "freeze"


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
