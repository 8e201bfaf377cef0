"""Writes the study's record before anything runs."""

from cops_core.errors import InputError
from study.records.store import StudyStore
from study.records.study_record import StudyRecord, make_study_record
from study.settings import Settings


def write_study_record(settings: Settings, store: StudyStore) -> StudyRecord:
    """Write the study's record. A later launch is added, and updates the size and the places.

    Args:
        settings: Of the launch.
        store: The study's folder.

    Returns:
        The record.

    Raises:
        InputError: The storage cannot be written.
    """
    before = store.record() if store.exists else None
    record = make_study_record(settings.record(), before, launched=True)
    try:
        store.write_record(record)
        store.write_plugins(settings.plugins)
    except OSError as error:
        raise InputError(
            f"{store.path} cannot be written ({error.strerror or error}): make room, or change --storage"
        ) from error
    return record
