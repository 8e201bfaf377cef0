"""Writes the study's record before anything runs."""

from cops_core.errors import InputError
from study.records.study_record import StudyRecord, make_study_record
from study.run.prepare import PreparedStudy


def write_study_record(study: PreparedStudy) -> StudyRecord:
    """Write the study's record. A later launch is added, and updates the size and the places.

    Args:
        study: The study, with what was checked for it.

    Returns:
        The record.

    Raises:
        InputError: The storage cannot be written.
    """
    settings, store = study.settings, study.store
    before = store.record() if store.exists else None
    record = make_study_record(
        settings.record(), before, launched=True, unusable=study.unusable, drawn=study.drawn
    )
    try:
        store.write_record(record)
        store.write_plugins(settings.plugins)
    except OSError as error:
        raise InputError(
            f"{store.path} cannot be written ({error.strerror or error}): make room, or change --storage"
        ) from error
    return record
