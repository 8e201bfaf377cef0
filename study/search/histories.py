"""What the samplers of a recorded study know: its Optuna studies, made again from its records."""

from collections.abc import Sequence
from dataclasses import replace

import optuna

from cops_core.errors import InputError
from search_spaces import find_space
from search_spaces.base import SearchSpace
from study.records.trial import StudyTrial
from study.search.plan import repeat
from study.search.search_plan import SearchPlan
from study.settings import Settings


def histories(
    space: SearchSpace, settings: Settings, trials: Sequence[StudyTrial]
) -> dict[str, optuna.Study]:
    """Each history of a study as an Optuna study in memory, by its rate as text, e.g. `0.99`, else `all`.

    trials: all that are recorded; they are not changed. A trial of Optuna's is a configuration, with the
    state, values and constraints that the sampler received, and its number as the user attribute
    `configuration`; one that has not finished is RUNNING. The dense network and anchors outside the space are
    in no history. Raises InputError if the space gives another configuration for recorded parameters.
    """
    return recalled(space, settings, trials).histories


def recalled(space: SearchSpace, settings: Settings, trials: Sequence[StudyTrial]) -> SearchPlan:
    """The study's plan as it was after its last event; trials, errors: see `histories`."""
    beyond = max((trial.configuration + 1 for trial in trials), default=0)
    size = {"trials": max(settings.trials, beyond)}
    plan = SearchPlan(space, settings.model_copy(update=size))
    repeat(plan, [replace(trial) for trial in trials])
    return plan


def recorded_space(settings: Settings) -> SearchSpace:
    """The space that a study was made with. InputError if it cannot be found any more."""
    try:
        return find_space(settings.space)
    except InputError as error:
        raise InputError(
            f"the space of study {settings.name!r} is needed, and cannot be found ({error}):"
            " put it back, or write the --plugin that brings it"
        ) from None
