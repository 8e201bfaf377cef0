"""A study's record: it grows launch by launch, and its bytes have not changed since earlier versions."""

import json

import pytest

from study.provenance import git_commit, versions
from study.records.study_record import ImportOrigin, StudyRecord, make_study_record

from ...declared import undeclared
from ..made_record import made_record

ORIGIN: ImportOrigin = {
    "from": "file.db",
    "at": "2026-01-02T03:04:05+00:00",
    "study": "theirs",
    "trials": [1, 2],
}
# The order in which the keys are written; a record of before keeps its own.
KEYS = ["study_id", "started", "launches", "settings", "git_commit", "versions"]


def test_a_made_up_record_is_as_declared():
    assert undeclared(made_record(), StudyRecord) == []


def test_the_first_launch_makes_the_record():
    record = make_study_record({"space": "quickstart"}, launched=True)
    assert undeclared(json.loads(json.dumps(record)), StudyRecord) == []
    assert list(record) == KEYS
    (launch,) = record["launches"]
    assert list(launch) == ["at", "git_commit", "versions"]
    assert launch == {"at": record["started"], "git_commit": git_commit(), "versions": versions()}
    assert len(record["study_id"]) == 32
    assert make_study_record({})["study_id"] != record["study_id"]


def test_a_later_launch_adds_itself_and_changes_settings_and_code_alone():
    before = made_record({"trials": 3}, imported=ORIGIN)
    kept = json.dumps(before)
    first = make_study_record({"trials": 5}, before, launched=True)
    second = make_study_record({"trials": 6}, first, launched=True)
    assert list(second) == [*KEYS, "imported"]
    assert [launch["git_commit"] for launch in second["launches"]] == [git_commit()] * 2
    changed = {key for key in second if second[key] != before[key]}
    assert changed == {"launches", "settings", "git_commit", "versions"}
    assert second["settings"] == {"trials": 6}
    assert json.dumps(before) == kept, "what is given stays as it is"


@pytest.mark.parametrize("before", [None, made_record()])
def test_an_import_is_not_a_launch(before):
    record = make_study_record({"trials": 5}, before, imported=ORIGIN)
    assert undeclared(record, StudyRecord) == []
    assert list(record) == [*KEYS, "imported"]
    assert record["launches"] == []
    assert record["git_commit"] == (git_commit() if before is None else before["git_commit"])
