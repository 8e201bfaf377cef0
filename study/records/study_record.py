"""The record of a study as a whole: `study.json`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NotRequired, TypedDict
from uuid import uuid4

from cops_core.facts import DrawnWeights, UnusableScore
from study.provenance import git_commit, versions

# The settings as `study.settings.Settings.record` returns them; `parse_settings` reads them.
SettingsRecord = Mapping[str, Any]


class Code(TypedDict):
    """Which code ran.

    Attributes:
        git_commit: The commit; empty for an installed copy.
        versions: The versions of Python and of libraries, by name.
    """

    git_commit: str
    versions: dict[str, str]


class Launch(Code):
    """One launch of a study.

    Attributes:
        at: Its time, in ISO 8601, UTC.
    """

    at: str


# Where a study was imported from (`from`), and when (`at`). `study` and `trials` name an Optuna study and
# those of its trials whose configurations are tried.
ImportOrigin = TypedDict(
    "ImportOrigin", {"from": str, "at": str, "study": NotRequired[str], "trials": NotRequired[list[int]]}
)


class StudyRecord(Code):
    """A study: the settings of its last launch, and a list of all launches. The code is that of the last.

    Attributes:
        study_id: Identifies this study among studies of the same name.
        started: Its first launch, in ISO 8601, UTC.
        launches: All launches, in order.
        settings: As recorded.
        imported: Where it was imported from.
        unusable_scores: Scores that cannot be computed for a network of the study: their trials are
            infeasible. Decided by the first launch that checked, and the same for all later ones.
        drawn_weights: For each network of a plugin, its initial weights that the project draws.
    """

    study_id: str
    started: str
    launches: list[Launch]
    settings: SettingsRecord
    imported: NotRequired[ImportOrigin]
    unusable_scores: NotRequired[list[UnusableScore]]
    drawn_weights: NotRequired[list[DrawnWeights]]


def make_study_record(
    settings: SettingsRecord,
    before: StudyRecord | None = None,
    *,
    launched: bool = False,
    imported: ImportOrigin | None = None,
    unusable: Sequence[UnusableScore] | None = None,
    drawn: Sequence[DrawnWeights] = (),
) -> StudyRecord:
    """The record of a study that has these settings from now on.

    Args:
        settings: As recorded.
        before: The study's record so far; None for a new study.
        launched: Whether a launch with these settings starts now. It is added, with the code that runs now.
        imported: Where the study was imported from, if it was imported now.
        unusable: Scores that cannot be computed for a network, if that was checked now.
        drawn: For each network of a plugin, its initial weights that the project draws.

    Returns:
        The new record.
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
    if unusable is not None:
        record["unusable_scores"] = list(unusable)
    if drawn:
        record["drawn_weights"] = list(drawn)
    return record
