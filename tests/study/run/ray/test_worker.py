"""The worker, which runs in a Ray actor, tested without Ray."""

import hashlib
import json
import socket
from decimal import Decimal

import pytest
import torch

from cops_core.artifact import load_artifact
from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.data import load_data, load_split
from study.provenance import code_sha256
from study.records.facts import TrialFacts
from study.records.store import StudyStore
from study.run.ray.fitness.before_trial import UNFIT
from study.run.ray.worker import TrialWorker

from ....declared import undeclared
from ...made_record import made_record

METRICS = ("epoch", "train_loss", "validation_loss", "validation_accuracy", "learning_rate")
NAME = "00003-abcdef0012345678"


@pytest.fixture
def task(tmp_path, monkeypatch):
    monkeypatch.setattr("study.run.ray.worker.received", lambda data: data)  # without Ray
    StudyStore(str(tmp_path), "mine").write_record(made_record())

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
            "gpus": 0.0,
            "device": "cpu",
            "data": [load_data("digits", tmp_path)],
            "code_sha256": code_sha256(),
            "checkpoint_s": 0.0,
            "plugins": "[]",
            "score_cache": str(tmp_path / "scores"),
            "storage": str(tmp_path),
            "study": "mine",
            "name": NAME,
            "trial": config.model_dump_json(),
        }

    return make


def metrics(*results):
    """The reported epochs without their times."""
    return [[row[name] for name in METRICS] for result in results for row in json.loads(result["rows"])]


def last(results):
    return json.loads(results[-1]["rows"])[-1]


def run(worker):
    results = []
    while not results or not results[-1]["done"]:
        results.append(worker.step())
    return results


def test_a_trial_reports_its_facts_once_and_its_metrics_each_epoch(task):
    results = run(TrialWorker(task()))
    assert [row[0] for row in metrics(*results)] == [1, 2, 3, 4]
    assert ["facts" in result for result in results] == [True, False, False, True]
    assert json.loads(results[0]["facts"])["kept_weights"] == 2510
    for result in (results[0], results[-1]):
        assert undeclared(json.loads(result["facts"]), TrialFacts) == []
    assert [result["status"] for result in results] == ["running"] * 3 + ["finished"]


@pytest.mark.parametrize("arm", ["freeze", "prune", "freeze_wd"])
def test_a_finished_trial_leaves_its_network_in_the_storage(task, tmp_path, arm):
    results = run(TrialWorker(task(arm=arm, training=Training(epochs=1))))
    facts = json.loads(results[-1]["facts"])
    file = tmp_path / "mine" / facts["artifact"]["file"]
    assert file.name == f"{NAME}.safetensors"
    content = file.read_bytes()
    assert hashlib.sha256(content).hexdigest() == facts["artifact"]["sha256"]
    assert facts["accounting"]["artifact_bytes"] == len(content)
    artifact = load_artifact(file)
    assert artifact.header.arm == arm
    split = load_split("digits", tmp_path, 0, Decimal("0.2"))
    with torch.no_grad():
        right = artifact.model(split.validation.images).argmax(dim=1) == split.validation.labels
    assert float(right.float().mean()) == pytest.approx(last(results)["validation_accuracy"])


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
    assert file.name == f"{NAME}.safetensors"
    assert load_artifact(file).header.arm == "freeze"


def test_the_test_accuracy_comes_with_the_last_epoch(task):
    results = run(TrialWorker(task(test=True, training=Training(epochs=2))))
    assert "test_accuracy" not in json.loads(results[0]["facts"])
    assert 0.5 < json.loads(results[-1]["facts"])["test_accuracy"] <= 1


def test_another_worker_resumes_from_a_checkpoint_and_reports_all_its_epochs(task):
    expected = metrics(*run(TrialWorker(task() | {"checkpoint_s": 1e9, "name": "alone"})))
    first = TrialWorker(task())
    assert metrics(first.step(), first.step()) == expected[:2]
    second = TrialWorker(task())  # the first one was killed
    result = second.step()
    assert metrics(result) == expected[:2]
    assert "facts" in result
    assert metrics(*run(second)) == expected[2:]


def test_a_trial_whose_end_was_not_received_is_not_run_again(task, monkeypatch):
    first = run(TrialWorker(task()))
    monkeypatch.setattr("cops_core.train.Trainer.run_epoch", None)
    (again,) = run(TrialWorker(task()))
    assert metrics(again) == metrics(*first)
    assert (again["status"], again["done"]) == ("finished", True)
    assert json.loads(again["facts"])["final_scale"] == json.loads(first[-1]["facts"])["final_scale"]
    assert "artifact" in json.loads(again["facts"])


def test_checkpoints_are_written_from_time_to_time(task, tmp_path):
    file = tmp_path / "mine" / "checkpoints" / f"{NAME}.pt"
    TrialWorker(task() | {"checkpoint_s": 60.0}).step()
    assert not file.exists()
    TrialWorker(task()).step()
    assert file.exists()


def test_an_unreadable_checkpoint_costs_time_and_not_the_trial(task, tmp_path):
    expected = metrics(*run(TrialWorker(task() | {"checkpoint_s": 1e9})))
    (tmp_path / "mine" / "checkpoints" / f"{NAME}.pt").write_bytes(b"half of a")
    assert metrics(*run(TrialWorker(task()))) == expected


def test_a_worker_that_was_thought_dead_writes_nothing_any_more(task, tmp_path):
    file = tmp_path / "mine" / "checkpoints" / f"{NAME}.pt"
    lost, other = TrialWorker(task()), TrialWorker(task())
    lost.step()
    other.step()
    content = file.read_bytes()
    run(lost)
    assert file.read_bytes() == content
    assert not list((tmp_path / "mine" / "artifacts").iterdir())
    run(other)
    assert list((tmp_path / "mine" / "artifacts").iterdir())


def test_a_study_that_ends_keeps_a_checkpoint_of_what_it_cuts_off(task, tmp_path):
    expected = metrics(*run(TrialWorker(task() | {"name": "alone"})))
    worker = TrialWorker(task() | {"checkpoint_s": 1e9})
    worker.step()
    worker.cleanup()
    assert metrics(*run(TrialWorker(task()))) == expected
    resumed = TrialWorker(task())
    assert len(json.loads(resumed.step()["rows"])) == 4


def test_other_code_on_this_machine_is_reported_with_the_node(task):
    result = TrialWorker(task() | {"code_sha256": "00" * 32}).step()
    assert (result["status"], result["done"]) == (UNFIT, True)
    assert result["reason"].startswith(f"node {socket.gethostname()}: its code differs")


def test_a_storage_that_is_not_seen_or_not_writable_is_reported_with_the_node(task, tmp_path, monkeypatch):
    result = TrialWorker(task() | {"storage": str(tmp_path / "mine")}).step()
    assert (result["status"], "does not see the study's storage" in result["reason"]) == (UNFIT, True)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(StudyStore, "write", refuse)
    result = TrialWorker(task()).step()
    assert (result["status"], "may not write to the study's storage" in result["reason"]) == (UNFIT, True)


def test_a_gpu_that_torch_cannot_use_is_reported_with_the_node(task):
    if torch.cuda.is_available():
        pytest.skip("torch can use one here")
    result = TrialWorker(task() | {"device": "cuda", "gpus": 1.0}).step()
    assert (result["status"], "Ray has 1 GPUs there, and torch can use 0" in result["reason"]) == (
        UNFIT,
        True,
    )


def test_the_next_trial_in_the_same_process_is_as_if_alone(task):
    alone = metrics(*run(TrialWorker(task(arm="prune") | {"name": "alone"})))
    worker = TrialWorker(task())
    run(worker)
    assert worker.reset_config(task(arm="prune") | {"name": "00004-12345678"})
    results = run(worker)
    assert metrics(*results) == alone
    assert "facts" in results[0]


def test_an_exception_is_a_result_with_its_reason(task):
    failing = task(selection=Selection(target="snip", samples_per_class=10**6))
    result = TrialWorker(failing).step()
    assert (result["status"], result["done"]) == ("failed", True)
    assert "samples_per_class" in result["reason"]
    assert "Traceback" in result["log"]


def test_levels_that_no_mask_meets_are_a_result_of_their_own(task):
    controls = (Control(score="magnitude", level=1.0), Control(score="random", level=1.0))
    selection = Selection(target="snip", controls=controls, if_infeasible="end")
    result = TrialWorker(task(selection=selection)).step()
    assert (result["status"], result["done"], result["rows"]) == ("infeasible", True, "[]")
    assert "meet the levels magnitude 1, random 1 together" in result["reason"]


def test_a_training_before_the_mask_that_diverges_is_a_result(task):
    selection = Selection(target="snip", at="trained")
    diverging = task(selection=selection, training=Training(epochs=2, learning_rate=1e30))
    result = TrialWorker(diverging).step()
    assert (result["status"], result["done"], result["rows"]) == ("diverged", True, "[]")
    assert "dense network diverged" in result["reason"]


def test_a_rewound_trial_resumes_on_another_worker(task):
    selection = Selection(target="magnitude", at="trained", rounds=2, rewind=1)
    rewound = task(arm="prune", selection=selection)
    whole = run(TrialWorker(rewound | {"name": "00004-12345678"}))
    first = TrialWorker(rewound).step()  # and is lost
    others = run(TrialWorker(rewound))
    assert metrics(first, *others[1:]) == metrics(*whole)
    assert [row[0] for row in metrics(*whole)] == [2, 3, 4]
    facts = json.loads(others[0]["facts"])
    assert facts["before_mask"]["cached"] == facts["before_mask"]["trainings"] == 2
    assert undeclared(facts, TrialFacts) == []


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4000 bytes"),
    ],
)
def test_too_little_memory_has_its_own_status(task, monkeypatch, error):
    def train(self):
        raise error

    monkeypatch.setattr("cops_core.train.Trainer.run_epoch", train)
    result = TrialWorker(task()).step()
    assert (result["status"], result["done"]) == ("out_of_memory", True)
    assert "Traceback" in result["log"]
