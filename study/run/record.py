"""What a study's folder says about the study as a whole."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from cops_core.errors import InputError
from study.provenance import git_commit, versions
from study.records.store import StudyStore
from study.settings import Settings


def write_study_record(settings: Settings, store: StudyStore) -> dict[str, Any]:
    """Write the study's record. A later launch adds itself, and brings size and place up to date.

    Returns the record. Raises InputError if the storage cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    begun = store.settings() if store.exists else {"study_id": uuid4().hex, "started": now, "launches": []}
    launch = {"at": now, "git_commit": git_commit(), "versions": versions()}
    record = {**begun, "settings": settings.record(), "launches": [*begun["launches"], launch]}
    record |= {"git_commit": git_commit(), "versions": versions()}
    try:
        store.create(record)
        store.write_plugins(settings.plugins)
    except OSError as error:
        raise InputError(
            f"{store.path} cannot be written ({error.strerror or error}): make room, or change --storage"
        ) from error
    return record
