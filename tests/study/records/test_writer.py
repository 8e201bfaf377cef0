"""Records of a running study: in order, complete, and before any view shows their content."""

import json

import pyarrow.parquet as pq
import pytest

from study.records import writer as writer_module
from study.records.store import StudyStore
from study.records.tables import EPOCHS_TABLE, TRIALS_TABLE
from study.records.writer import RecordWriter

from ..made_record import made_record

ROW = {"epoch": 3, "train_loss": 0.1, "validation_loss": 0.1, "validation_accuracy": 0.7}


@pytest.fixture
def store(tmp_path):
    store = StudyStore(str(tmp_path), "mine")
    store.write_record(made_record())
    return store


@pytest.fixture
def saved():
    return []


@pytest.fixture
def writer(store, saved):
    subject = RecordWriter(store, saved.append)
    yield subject
    subject.close()


def numbers(path):
    return [row["number"] for row in pq.read_table(path).to_pylist()]


def test_a_trial_is_recorded_from_its_start_on(writer, store, ended):
    trial = ended(0, "running", ())
    writer.started(trial)
    assert writer._records.drain(5.0)
    assert [found.status for found in store.trials()] == ["running"]
    trial.add_row(ROW)
    writer.reported(trial, ROW)
    trial.status = "finished"
    writer.ended(trial)
    assert writer._records.drain(5.0)
    (found,) = store.trials()
    assert (found.status, found.rows, found.stamps) == ("finished", [ROW], trial.stamps)


def test_views_receive_what_is_recorded_and_nothing_else(writer, store, saved, ended):
    trial = ended(0, "running", (0.5,))
    writer.started(trial)
    assert writer._records.drain(5.0)
    trial.add_row(ROW)
    assert [len(shown.rows) for shown in saved] == [1]
    assert len(json.loads(store.read(f"trials/{trial.name}.json"))["rows"]) == 1


def test_an_epoch_is_not_written_at_once_but_with_those_that_follow(writer, saved, ended):
    trial = ended(0, "running", ())
    writer.started(trial)
    assert writer._records.drain(5.0)
    for epoch in range(1, 101):
        trial.add_row({**ROW, "epoch": epoch})
        writer.reported(trial, trial.rows[-1])
    assert writer._records.drain(5.0)
    assert len(saved) <= 3
    assert len(saved[-1].rows) == 100


def test_the_tables_are_of_all_trials_also_of_earlier_launches(writer, tmp_path, ended):
    writer.recalled([ended(0), ended(2, "running", (0.1,))])
    writer.started(ended(1))
    assert writer.close() == ""
    assert numbers(tmp_path / "mine" / TRIALS_TABLE) == [0, 1, 2]
    assert numbers(tmp_path / "mine" / EPOCHS_TABLE) == [0, 0, 1, 1, 2]


def test_a_checkpoint_is_removed_when_its_trial_has_ended(writer, store, ended):
    over, open_ = ended(0), ended(1, "interrupted")
    for trial in (over, open_):
        for kind in (".pt", ".owner"):
            store.write(f"checkpoints/{trial.name}{kind}", b"state")
        writer.started(trial)
    assert writer._records.drain(5.0)
    store.write(f"checkpoints/{over.name}.pt", b"its worker still ran")
    assert writer.close() == ""
    assert sorted(store.files("checkpoints")) == [f"{open_.name}.owner", f"{open_.name}.pt"]


def test_the_writer_waits_for_a_full_disk_and_reports_it_at_the_end(store, saved, ended, monkeypatch):
    monkeypatch.setattr(writer_module, "CLOSE_TIMEOUT_S", 0.2)
    writer = RecordWriter(store, saved.append)

    def full(name, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write", full)
    for number in range(3):
        writer.started(ended(number))
    assert not writer._records.drain(0.3)
    assert saved == []
    monkeypatch.delattr(store, "write")
    assert writer._records.drain(5.0)
    assert [trial.number for trial in saved] == [0, 1, 2]
    monkeypatch.setattr(store, "write", full)
    writer.started(ended(3))
    assert "No space left on device" in writer.close()


def test_a_driver_that_lost_its_lease_writes_nothing_any_more(store, saved, ended):
    lost = []
    subject = RecordWriter(store, saved.append, lambda: bool(lost))
    trial = ended(0, "running", (0.5,))
    subject.started(trial)
    assert subject._records.drain(5.0)
    lost.append(True)
    trial.status = "interrupted"
    subject.ended(trial)
    assert "another process runs the study" in subject.close()
    assert [found.status for found in store.trials()] == ["running"]
    assert not store.has(TRIALS_TABLE)


def test_records_are_written_even_if_a_table_cannot_be_built(store, saved, ended, monkeypatch):
    monkeypatch.setattr(writer_module, "TABLE_INTERVAL_S", -1.0)
    subject = RecordWriter(store, saved.append)
    monkeypatch.setattr(writer_module, "trial_tables", lambda *arguments: 1 / 0)
    for number in range(3):
        subject.started(ended(number))
    assert "ZeroDivisionError" in subject.close()
    assert len(store.trials()) == 3
