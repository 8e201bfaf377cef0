"""A recorded trial by its name."""

import re

from cops_core.errors import InputError
from study.records.store import StudyStore, find_study
from study.records.trial import StudyTrial

NAMED = re.compile("(?P<study>[^/]+)/(?P<number>[0-9]+)(-(?P<head>[0-9a-f]*))?")


def named_trial(name: str, storage_uri: str, *, or_run: bool = False) -> tuple[StudyStore, StudyTrial]:
    """Find a trial in a storage by its name.

    Args:
        name: `STUDY/NUMBER` or `STUDY/NUMBER-IDENTITY`; of the identity the first characters suffice.
        storage_uri: A folder of this machine, or a URI.
        or_run: Whether the id of an MLflow run could have been written instead.

    Returns:
        The trial's study and the trial.

    Raises:
        InputError: It is not such a name, there is no such study or trial, or its records need a plugin.
    """
    named = NAMED.fullmatch(name)
    if named is None:
        more = ", or the id of its MLflow run" if or_run else ""
        raise InputError(
            f"{name!r} is not a trial: write STUDY/NUMBER, e.g. quickstart/12 (see `cops status`){more}"
        )
    store = find_study(storage_uri, named["study"])
    return store, _trial(store, int(named["number"]), named["head"] or "")


def _trial(store: StudyStore, number: int, head: str) -> StudyTrial:
    trials = {trial.number: trial for trial in store.trials()}
    if number not in trials:
        numbers = f"it has trials {min(trials)} to {max(trials)}" if trials else "it has none yet"
        raise InputError(f"study {store.name!r} has no trial {number}: {numbers}")
    if not trials[number].identity.startswith(head):
        raise InputError(
            f"trial {number} of {store.name!r} is {trials[number].name} not {number}-{head}: write"
            f" {store.name}/{number}, or set the right --home"
        )
    return trials[number]
