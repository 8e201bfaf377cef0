"""A study as Optuna studies, one per history, and the same study out of them, record by record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from study.analysis.configurations import ConfigurationResult, by_configuration
from study.records.study_record import StudyRecord
from study.records.trial import COMPARABLE, StudyTrial, TrialRecord
from study.search.histories import histories
from study.search.optuna_file import OptunaStudy
from study.settings import Settings

# The attribute by which a study that was exported is known, and the version of what it and the trials hold.
ATTRIBUTE = "cops_study"
VERSION = 1
RECORDS = "records"  # the attribute of a trial of Optuna's: a configuration's records, one per seed
OUTSIDE = "outside the space"


@dataclass(frozen=True)
class Exported:
    """A study as it was exported: `study.json`, the records, and other files of its folder by name.

    files: JSON values; of plugins their text.
    """

    study: StudyRecord
    records: Sequence[TrialRecord]
    files: Mapping[str, Any]


def as_optuna(
    space: SearchSpace, settings: Settings, trials: Sequence[StudyTrial], about: Mapping[str, Any]
) -> list[OptunaStudy]:
    """An Optuna study for each history, and one for what no sampler heard of.

    The first have the distributions, states, values and constraints that the sampler was told; the trials of
    the last, the dense network's among them, have no parameters. about: what `Exported` holds beside the
    records. Raises InputError if the space is another one today.
    """
    question = settings.question
    directions = tuple(question.directions)
    found = {each.number: each for each in by_configuration(trials)}
    made: list[OptunaStudy] = []
    heard: set[int] = set()
    for history, study in histories(space, settings, trials).items():
        kept = []
        for trial in study.get_trials(deepcopy=False):
            configuration = found[trial.user_attrs["configuration"]]
            heard.add(configuration.number)
            kept.append(_frozen(trial, configuration, axis=question.axis))
        name = settings.name if history == "all" else f"{settings.name} {history}"
        attribute = {"version": VERSION, "name": settings.name, "history": history}
        made.append(OptunaStudy(name, directions, {ATTRIBUTE: attribute}, kept))
    rest = [_unheard(each, settings) for each in found.values() if each.number not in heard]
    attribute = {"version": VERSION, "name": settings.name, "records": len(trials), **about}
    return [*made, OptunaStudy(f"{settings.name} {OUTSIDE}", directions, {ATTRIBUTE: attribute}, rest)]


def exported(studies: Sequence[OptunaStudy], source: str) -> Exported | None:
    """What `as_optuna` made the studies of; None if they are others.

    Raises InputError if something is missing, or was written by a later version.
    """
    ours = [study for study in studies if ATTRIBUTE in study.attributes]
    if not ours:
        return None
    attributes = [study.attributes[ATTRIBUTE] for study in ours]
    if any(not isinstance(each, Mapping) or each.get("version") != VERSION for each in attributes):
        raise InputError(f"{source} was written by another version of cops: read it with that one")
    whole = [each for each in attributes if "settings" in each]
    if len(whole) != 1:
        raise InputError(f"{source} has no study called '... {OUTSIDE}', or several: export it again")
    records = [
        record for study in ours for trial in study.trials for record in trial.user_attrs.get(RECORDS, ())
    ]
    if len(records) != whole[0].get("records"):
        raise InputError(
            f"{source} holds {len(records)} of the {whole[0].get('records')} records that were exported:"
            " export it again"
        )
    return Exported(
        whole[0]["settings"], sorted(records, key=lambda record: record["number"]), whole[0].get("files", {})
    )


def _frozen(trial: FrozenTrial, found: ConfigurationResult, *, axis: bool) -> FrozenTrial:
    """The sampler's trial, with its times and what we know beside."""
    return _dated(
        optuna.trial.create_trial(
            state=trial.state,
            values=trial.values,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=_attributes(found),
            system_attrs=trial.system_attrs,
            # Where the rate is no axis a trial's value is not its accuracy.
            intermediate_values=_accuracies(found) if axis else {},
        ),
        found,
    )


def _unheard(found: ConfigurationResult, settings: Settings) -> FrozenTrial:
    """A configuration that no sampler heard of: values that it would have been told, no parameters."""
    over = all(trial.has_ended for trial in found.trials)
    values = settings.question.values(found.mean, found.density, found.stored_bytes)
    known = all(trial.status in COMPARABLE for trial in found.trials) and not any(map(math.isnan, values))
    state = TrialState.RUNNING if not over else TrialState.COMPLETE if known else TrialState.FAIL
    return _dated(
        optuna.trial.create_trial(
            state=state,
            values=list(values) if state == TrialState.COMPLETE else None,
            user_attrs=_attributes(found),
            intermediate_values=_accuracies(found) if settings.question.axis else {},
        ),
        found,
    )


def _dated(trial: FrozenTrial, found: ConfigurationResult) -> FrozenTrial:
    trial.datetime_start = datetime.fromtimestamp(min(each.started for each in found.trials))
    ends = [each.ended for each in found.trials if each.ended is not None]
    if trial.state.is_finished():
        trial.datetime_complete = datetime.fromtimestamp(max(ends)) if ends else trial.datetime_start
    return trial


def _attributes(found: ConfigurationResult) -> dict[str, Any]:
    return {
        "configuration": found.number,
        "title": found.title,
        "method": found.method,
        "rate": None if found.rate is None else str(found.rate),
        "status": found.status,
        "seeds": len(found.accuracies),
        "validation_accuracy": None if math.isnan(found.mean) else found.mean,
        "density": found.density,
        "stored_bytes": None if math.isnan(found.stored_bytes) else found.stored_bytes,
        "trained_parameters": found.trained_parameters,
        RECORDS: [trial.record() for trial in found.trials],
    }


def _accuracies(found: ConfigurationResult) -> dict[int, float]:
    """The mean validation accuracy by epoch, of the epochs that all of its seeds with any have."""
    known = [trial.rows for trial in found.trials if trial.rows]
    return {
        int(rows[0]["epoch"]): fmean(row["validation_accuracy"] for row in rows)
        for rows in zip(*known, strict=False)
    }
