"""A study's folder: records come back as they were, files are complete or absent."""

import json
import math

import pytest

from cops_core.errors import InputError
from study.records.store import StudyStore, studies

from ..made_record import made_record


@pytest.fixture(params=["folder", "uri"])
def storage(request, tmp_path):
    return str(tmp_path / "storage") if request.param == "folder" else (tmp_path / "storage").as_uri()


def test_records_come_back_as_they_were(storage, ended):
    store = StudyStore(storage, "mine")
    assert not store.exists
    store.write_record(made_record({"space": "quickstart"}))
    trials = [ended(0), ended(1, "diverged", (math.nan, 0.0), reason="loss"), ended(2, "failed", ())]
    for trial in trials:
        store.save(trial)
    again = StudyStore(storage, "mine")
    assert again.exists
    assert again.record() == made_record({"space": "quickstart"})
    for trial, copy in zip(trials, again.trials(), strict=True):
        assert json.dumps(copy.record()) == json.dumps(trial.record())
        assert copy.config == trial.config
    assert math.isnan(again.trials()[1].rows[0]["validation_accuracy"])
    assert [found.name for found in studies(storage)] == ["mine"]


def test_a_record_is_json_without_nan(storage, ended, tmp_path):
    store = StudyStore(storage, "mine")
    store.write_record(made_record())
    store.save(ended(0, "diverged", (math.nan,)))
    (path,) = (tmp_path / "storage" / "mine" / "trials").glob("*.json")
    json.loads(path.read_text(), parse_constant=lambda word: pytest.fail(f"{word} in JSON"))


def test_a_file_that_cannot_be_finished_leaves_the_old_one(storage, monkeypatch):
    store = StudyStore(storage, "mine")
    store.write_record(made_record())
    monkeypatch.setattr(json, "dumps", lambda *a, **k: "{" * 3)
    monkeypatch.setattr(store, "filesystem", _FullDisk(store.filesystem))
    with pytest.raises(OSError, match="full"):
        store.write_json("study.json", made_record(version=2))
    monkeypatch.undo()
    assert StudyStore(storage, "mine").record() == made_record()


class _FullDisk:
    type_name = "neither a folder here nor an object store"

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


def test_files_are_found_read_and_removed(storage):
    store = StudyStore(storage, "mine")
    assert store.files("trials") == []
    assert not store.has("trials/a.json")
    store.write_record(made_record())
    store.write("trials/a.json", b"{}")
    assert store.files("trials") == ["a.json"]
    assert store.read("trials/a.json") == b"{}"
    store.delete("trials/a.json")
    store.delete("trials/a.json")
    assert store.files("trials") == []
    with pytest.raises(FileNotFoundError):
        store.read("trials/a.json")


def test_a_folder_of_this_machine_is_local(tmp_path):
    assert StudyStore(str(tmp_path), "mine").is_local
    assert StudyStore(tmp_path.as_uri(), "mine").is_local
    assert not StudyStore("mock://bucket/folder", "mine").is_local


@pytest.mark.parametrize("file", ["study.json", "trials/00000-0000000000000000.json"])
@pytest.mark.parametrize("content", [b"", b'{"half'])
def test_a_torn_file_is_one_line_that_names_it(storage, ended, file, content):
    store = StudyStore(storage, "mine")
    store.write_record(made_record())
    store.save(ended(0))
    store.write(file, content)
    with pytest.raises(InputError, match="cannot be read") as caught:
        store.record() if file == "study.json" else store.trials()
    assert file in str(caught.value)


def test_a_trials_record_of_another_version_is_one_line(storage, ended):
    store = StudyStore(storage, "mine")
    older = ended(0).record()
    del older["identity"]
    for record, why in (({**ended(0).record(), "newer": 1}, "newer"), (older, "identity")):
        store.write_record(made_record())
        store.write_json("trials/00000-0000000000000000.json", record)
        with pytest.raises(InputError, match=rf"written by another version of cops \(.*{why}.*\)"):
            store.trials()


def test_a_studys_record_of_another_version_is_one_line(storage):
    store = StudyStore(storage, "mine")
    older = made_record()
    del older["study_id"], older["launches"]
    store.write_record(older)
    with pytest.raises(InputError, match=r"another version of cops \(it has no launches, study_id\)"):
        store.record()


def test_only_a_folder_without_any_result_is_discarded(storage, ended):
    store = StudyStore(storage, "mine")
    store.make_folders()
    store.save(ended(0))
    store.discard()  # its study.json was lost, its results were not
    assert len(store.trials()) == 1
    store.delete(f"trials/{ended(0).name}.json")
    store.discard()
    assert store.files("trials") == []
    assert not store.has("trials")
