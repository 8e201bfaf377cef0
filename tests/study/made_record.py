"""Records of studies that were never launched: all that `study.json` says, made up."""

from collections.abc import Mapping
from typing import Any

from study.records.study_record import StudyRecord

SETTINGS = {
    "name": "mine",
    "space": "quickstart",
    "trials": 3,
    "question": {"kind": "rates", "rates": ["0.99"]},
    "plugins": {},
}


def made_record(settings: Mapping[str, Any] = SETTINGS, **changes: Any) -> StudyRecord:
    """A whole record of a study with these settings; `changes` replaces some of its keys."""
    record: StudyRecord = {
        "study_id": "a" * 32,
        "started": "2026-01-02T03:04:05+00:00",
        "launches": [],
        "settings": settings,
        "git_commit": "c0ffee",
        "versions": {"python": "3.11", "torch": "2.13.0"},
    }
    return {**record, **changes}
