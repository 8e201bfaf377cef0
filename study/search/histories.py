"""The Optuna studies of a recorded study, rebuilt from its records."""

from collections.abc import Sequence
from dataclasses import replace

import optuna

from cops_core.errors import InputError
from search_spaces import find_space
from search_spaces.base import SearchSpace
from study.records.trial import StudyTrial
from study.search.enlarged import enlarged
from study.search.plan import repeat
from study.search.search_plan import SearchPlan
from study.settings import Settings


def histories(
    space: SearchSpace, settings: Settings, trials: Sequence[StudyTrial]
) -> dict[str, optuna.Study]:
    """Each history of a study as an Optuna study in memory.

    A trial of Optuna's is a configuration, with the state, values and constraints that the sampler received.
    Its user attribute `configuration` is the configuration's number. A configuration that has not finished is
    RUNNING. The dense network and baselines outside the space are in no history.

    Args:
        space: The study's space.
        settings: The study's settings.
        trials: All that are recorded; they are not changed.

    Returns:
        The Optuna studies by name, e.g. `0.99`; see `Histories.by_name`.

    Raises:
        InputError: The space gives another configuration for recorded parameters.
    """
    return recalled(space, settings, trials).histories


def recalled(space: SearchSpace, settings: Settings, trials: Sequence[StudyTrial]) -> SearchPlan:
    """The study's plan as it was after its last event.

    Args:
        space: The study's space.
        settings: The study's settings.
        trials: All that are recorded; they are not changed.

    Returns:
        The plan.

    Raises:
        InputError: The space gives another configuration for recorded parameters.
    """
    plan = SearchPlan(space, enlarged(space, settings, trials))
    repeat(plan, [replace(trial) for trial in trials])
    return plan


def recorded_space(settings: Settings) -> SearchSpace:
    """The space that a study was made with.

    Args:
        settings: The study's settings.

    Returns:
        The space.

    Raises:
        InputError: It cannot be found any more.
    """
    try:
        return find_space(settings.space)
    except InputError as error:
        raise InputError(
            f"the space of study {settings.name!r} cannot be found ({error}): restore it, or write the"
            " --plugin that contains it"
        ) from None
