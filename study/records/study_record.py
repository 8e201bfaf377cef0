"""What a study's folder says about the study as a whole: `study.json`."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict
from uuid import uuid4

from study.provenance import git_commit, versions

# The settings as `study.settings.Settings.record` gives them, which `parse_settings` reads.
SettingsRecord = Mapping[str, Any]


class Code(TypedDict):
    """Which code ran. git_commit: empty where it is an installed copy. versions: by library."""

    git_commit: str
    versions: dict[str, str]


class Launch(Code):
    """One launch of a study. at: when, in ISO 8601, UTC."""

    at: str


# Where a study was imported from, and when. study, trials: of an Optuna study whose configurations it tries.
Imported = TypedDict(
    "Imported", {"from": str, "at": str, "study": NotRequired[str], "trials": NotRequired[list[int]]}
)


class StudyRecord(Code):
    """A study: its settings as the last launch had them, and every launch; the code is that of the last.

    study_id: of this study alone, whatever its name. started: when, in ISO 8601, UTC.
    """

    study_id: str
    started: str
    launches: list[Launch]
    settings: SettingsRecord
    imported: NotRequired[Imported]


def make_study_record(
    settings: SettingsRecord,
    before: StudyRecord | None = None,
    *,
    launched: bool = False,
    imported: Imported | None = None,
) -> StudyRecord:
    """The record of a study that has these settings from now on.

    Args:
        settings: As recorded.
        before: What is recorded of the study so far; None for a new study.
        launched: Whether a launch with these settings begins now. It is added, and the code is its own.
        imported: Where the study was imported from, if it was imported now.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    launch: Launch = {"at": now, "git_commit": git_commit(), "versions": versions()}
    new: StudyRecord = {
        "study_id": uuid4().hex,
        "started": now,
        "launches": [],
        "settings": settings,
        "git_commit": launch["git_commit"],
        "versions": launch["versions"],
    }
    record = new if before is None else before.copy()
    record["settings"] = settings
    if launched:
        record["launches"] = [*record["launches"], launch]
        record["git_commit"], record["versions"] = launch["git_commit"], launch["versions"]
    if imported is not None:
        record["imported"] = imported
    return record
