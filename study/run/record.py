"""Writes the study's record before anything runs."""

from collections.abc import Sequence

from cops_core.errors import InputError
from cops_core.facts import UnusableScore
from study.records.store import StudyStore
from study.records.study_record import StudyRecord, make_study_record
from study.settings import Settings


def write_study_record(
    settings: Settings, store: StudyStore, unusable: Sequence[UnusableScore]
) -> StudyRecord:
    """Write the study's record. A later launch is added, and updates the size and the places.

    Args:
        settings: Of the launch.
        store: The study's folder.
        unusable: Scores that cannot be computed for a network of the study.

    Returns:
        The record.

    Raises:
        InputError: The storage cannot be written.
    """
    before = store.record() if store.exists else None
    record = make_study_record(settings.record(), before, launched=True, unusable=unusable)
    try:
        store.write_record(record)
        store.write_plugins(settings.plugins)
    except OSError as error:
        raise InputError(
            f"{store.path} cannot be written ({error.strerror or error}): make room, or change --storage"
        ) from error
    return record
