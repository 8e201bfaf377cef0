"""A study's folder: records come back as they were, files are whole or absent."""

import json
import math

import pyarrow.parquet as pq
import pytest

from cops_core.config import Control, Selection, TrialConfig
from cops_core.errors import InputError
from study.results import EPOCHS_TABLE, TRIALS_TABLE, RecordWriter, TableWriter, best_per_method, pareto_front
from study.store import StudyStore, studies


@pytest.fixture(params=["folder", "uri"])
def storage(request, tmp_path):
    return str(tmp_path / "storage") if request.param == "folder" else (tmp_path / "storage").as_uri()


def test_records_come_back_as_they_were(storage, ended):
    store = StudyStore(storage, "mine")
    assert not store.exists
    store.create({"settings": {"space": "quickstart"}})
    trials = [ended(0), ended(1, "diverged", (math.nan, 0.0), reason="loss"), ended(2, "failed", ())]
    for trial in trials:
        store.save(trial)
    again = StudyStore(storage, "mine")
    assert again.exists
    assert again.settings() == {"settings": {"space": "quickstart"}}
    for trial, copy in zip(trials, again.trials(), strict=True):
        assert json.dumps(copy.record()) == json.dumps(trial.record())
        assert copy.config == trial.config
    assert math.isnan(again.trials()[1].rows[0]["validation_accuracy"])
    assert [found.name for found in studies(storage)] == ["mine"]


def test_a_record_is_json_without_nan(storage, ended, tmp_path):
    store = StudyStore(storage, "mine")
    store.create({})
    store.save(ended(0, "diverged", (math.nan,)))
    (path,) = (tmp_path / "storage" / "mine" / "trials").glob("*.json")
    json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))


def test_a_file_that_cannot_be_finished_leaves_the_old_one(storage, ended, monkeypatch, tmp_path):
    store = StudyStore(storage, "mine")
    store.create({"version": 1})
    monkeypatch.setattr(json, "dumps", lambda *a, **k: "{" * 3)
    monkeypatch.setattr(store, "filesystem", _FullDisk(store.filesystem))
    with pytest.raises(OSError, match="full"):
        store.write_json("study.json", {"version": 2})
    monkeypatch.undo()
    assert StudyStore(storage, "mine").settings() == {"version": 1}


class _FullDisk:
    def __init__(self, filesystem):
        self.filesystem = filesystem

    def open_output_stream(self, path):
        stream = self.filesystem.open_output_stream(path)
        stream.write(b"{")
        stream.close()
        raise OSError("the disk is full")


@pytest.mark.parametrize("uri", ["nosuch://bucket/x", "://"])
def test_a_storage_that_cannot_be_opened_is_one_line(uri):
    with pytest.raises(InputError, match="write a folder or a URI"):
        StudyStore(uri, "mine")


def test_the_tables_hold_one_row_per_trial_and_one_per_epoch(tmp_path, ended):
    store = StudyStore(str(tmp_path), "mine")
    store.create({})
    records, table = RecordWriter(store), TableWriter(store)
    cops = Selection(target="snip", controls=(Control(score="synflow", level=0.3),))
    trials = [
        ended(1, config=TrialConfig(arm="prune", selection=cops, density="0.005")),
        ended(0, "stopped", (0.1, 0.2, 0.3)),
        ended(2, "failed", (), reason="OSError: gone"),
    ]
    for trial in trials:
        records.ended(trial)
        table.ended(trial)
    table.close()
    rows = pq.read_table(tmp_path / "mine" / TRIALS_TABLE).to_pylist()
    assert [row["number"] for row in rows] == [0, 1, 2]
    assert [row["epochs"] for row in rows] == [3, 2, 0]
    assert rows[1] == {
        **rows[1],
        "method": "prune cops(snip; synflow)",
        "control": "synflow",
        "level": 0.3,
        "density": 0.005,
        "freezing_rate": 0.995,
        "validation_accuracy": 0.9,
        "trained_parameters": 100,
        "seconds": 1.5,
    }
    assert rows[2]["reason"] == "OSError: gone"
    assert rows[2]["validation_accuracy"] is None
    epochs = pq.read_table(tmp_path / "mine" / EPOCHS_TABLE).to_pylist()
    assert [(row["number"], row["epoch"]) for row in epochs] == [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]
    assert len(store.trials()) == 3


def test_the_best_of_each_method_is_finished_and_within_its_rate(ended):
    from decimal import Decimal

    low, high = Decimal("0.9"), Decimal("0.99")
    trials = [
        ended(0, accuracies=(0.5,), rate=low),
        ended(1, accuracies=(0.7,), rate=low),
        ended(2, accuracies=(0.6,), rate=high),
        ended(3, "stopped", accuracies=(0.99,), rate=high),
        ended(4, accuracies=(0.95,), config=TrialConfig()),
    ]
    assert [trial.number for trial in best_per_method(trials)] == [4, 1, 2]


def test_the_pareto_front_holds_what_nothing_beats(ended):
    def trial(number, density, accuracy):
        config = TrialConfig(arm="prune", selection=Selection(target="snip"), density=density)
        return ended(number, accuracies=(accuracy,), config=config)

    trials = [trial(0, "0.5", 0.9), trial(1, "0.1", 0.8), trial(2, "0.2", 0.7), trial(3, "0.1", 0.75)]
    assert [t.number for t in pareto_front(trials)] == [0, 1]
