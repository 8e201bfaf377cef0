"""A study as Optuna studies, one per history; and the same study read from them, record by record."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from cops_core.errors import InputError
from cops_core.facts import values_of
from search_spaces.base import SearchSpace
from study.analysis.configurations import ConfigurationResult, by_configuration
from study.records.study_record import StudyRecord
from study.records.trial import COMPARABLE, StudyTrial, TrialRecord
from study.search.histories import histories
from study.search.optuna_file import OptunaStudy
from study.settings import Settings

# The attribute that marks an exported study, and the version of the content of its attributes.
ATTRIBUTE = "cops_study"
VERSION = 1
RECORDS = "records"  # the attribute of an Optuna trial with the records of a configuration, one per seed
OUTSIDE = "outside the space"


@dataclass(frozen=True)
class StudyExport:
    """The content of a study that was exported.

    Attributes:
        study: `study.json`.
        records: The records of all trials.
        files: Other files of the study's folder, by name: JSON values, and the source of plugins.
    """

    study: StudyRecord
    records: Sequence[TrialRecord]
    files: Mapping[str, Any]


def as_optuna(
    space: SearchSpace, settings: Settings, trials: Sequence[StudyTrial], about: Mapping[str, Any]
) -> list[OptunaStudy]:
    """A study as Optuna studies: one for each history, and one for configurations outside the histories.

    The trials of a history have the distributions, states, values and constraints that the sampler received.
    Those outside the histories, such as the dense network, have no parameters.

    Args:
        space: The study's space.
        settings: The study's settings.
        trials: All trials.
        about: The other fields of `StudyExport`: `settings` for its `study`, and `files`.

    Returns:
        The Optuna studies; the last one has the configurations outside the histories.

    Raises:
        InputError: The space has changed since the trials were recorded.
    """
    question = settings.question
    directions = tuple(question.directions)
    found = {each.number: each for each in by_configuration(trials)}
    made: list[OptunaStudy] = []
    included: set[int] = set()
    for history, study in histories(space, settings, trials).items():
        kept = []
        for trial in study.get_trials(deepcopy=False):
            configuration = found[trial.user_attrs["configuration"]]
            included.add(configuration.number)
            kept.append(_frozen(trial, configuration, axis=question.axis))
        name = settings.name if history == "all" else f"{settings.name} {history}"
        attribute = {"version": VERSION, "name": settings.name, "history": history}
        made.append(OptunaStudy(name, directions, {ATTRIBUTE: attribute}, kept))
    rest = [_outside(each, settings) for each in found.values() if each.number not in included]
    attribute = {"version": VERSION, "name": settings.name, "records": len(trials), **about}
    return [*made, OptunaStudy(f"{settings.name} {OUTSIDE}", directions, {ATTRIBUTE: attribute}, rest)]


def read_export(studies: Sequence[OptunaStudy], source: str) -> StudyExport | None:
    """The study from which `as_optuna` made these Optuna studies.

    Args:
        studies: The Optuna studies of a file.
        source: The file's name, for messages.

    Returns:
        The study; None if the Optuna studies have another origin.

    Raises:
        InputError: Something is missing, or was written by another version.
    """
    ours = [study for study in studies if ATTRIBUTE in study.attributes]
    if not ours:
        return None
    attributes = [study.attributes[ATTRIBUTE] for study in ours]
    if any(not isinstance(each, Mapping) or each.get("version") != VERSION for each in attributes):
        raise InputError(f"{source} was written by another version of cops: use that version to read it")
    whole = [each for each in attributes if "settings" in each]
    if len(whole) != 1:
        raise InputError(f"{source} must have one study named '... {OUTSIDE}': export it again")
    records = [
        record for study in ours for trial in study.trials for record in trial.user_attrs.get(RECORDS, ())
    ]
    if len(records) != whole[0].get("records"):
        raise InputError(
            f"{source} contains {len(records)} of the {whole[0].get('records')} exported records:"
            " export it again"
        )
    return StudyExport(
        whole[0]["settings"], sorted(records, key=lambda record: record["number"]), whole[0].get("files", {})
    )


def _frozen(trial: FrozenTrial, found: ConfigurationResult, *, axis: bool) -> FrozenTrial:
    """The sampler's trial, with its times and the attributes of its configuration."""
    return _dated(
        optuna.trial.create_trial(
            state=trial.state,
            values=trial.values,
            params=trial.params,
            distributions=trial.distributions,
            user_attrs=_attributes(found),
            system_attrs=trial.system_attrs,
            # If the rate is not an axis, a trial's value is not its accuracy.
            intermediate_values=_accuracies(found) if axis else {},
        ),
        found,
    )


def _outside(found: ConfigurationResult, settings: Settings) -> FrozenTrial:
    """A configuration outside the histories: with the values that a sampler would receive, no parameters."""
    ended = all(trial.has_ended for trial in found.trials)
    values = settings.question.values(found.quality, found.density, found.stored_bytes)
    known = all(trial.status in COMPARABLE for trial in found.trials) and not any(map(math.isnan, values))
    state = TrialState.RUNNING if not ended else TrialState.COMPLETE if known else TrialState.FAIL
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
        "density": None if math.isnan(found.density) else found.density,
        "stored_bytes": None if math.isnan(found.stored_bytes) else found.stored_bytes,
        "trained_parameters": found.trained_parameters,
        RECORDS: [trial.record() for trial in found.trials],
    }


def _accuracies(found: ConfigurationResult) -> dict[int, float]:
    """The mean validation accuracy by epoch, over those epochs that all started seeds have reported.

    Of another measure it is the mean of `Measure.quality`.
    """
    known = [trial.rows for trial in found.trials if trial.rows]
    return {
        int(rows[0]["epoch"]): fmean(
            found.measure.quality(values_of(row)[found.measure.name]) for row in rows
        )
        for rows in zip(*known, strict=False)
    }
