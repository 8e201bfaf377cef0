"""A study that is launched again may be smaller than what it has started: it is then as large as that."""

from collections.abc import Sequence

from cops_core.errors import InputError
from search_spaces.base import SearchSpace
from study.records.trial import StudyTrial
from study.search.search_plan import SearchPlan
from study.settings import Settings


def enlarged(space: SearchSpace, settings: Settings, recorded: Sequence[StudyTrial]) -> Settings:
    """Settings with at least as many configurations as a study has started.

    Args:
        space: The study's space.
        settings: Of the launch.
        recorded: The study's trials.

    Returns:
        The settings.

    Raises:
        InputError: The study has judged its methods with another number of configurations each: more would be
            chosen after the test part was seen.
    """
    started = max((trial.configuration + 1 for trial in recorded if trial.judges is None), default=0)
    if not settings.question.strata or settings.sampler == "grid":
        return settings.model_copy(update={"trials": max(settings.trials, started)})
    judged = any(trial.judges is not None for trial in recorded)
    each = settings.per_method or 1
    planned = SearchPlan(space, settings).configurations
    while planned < started:  # a whole turn over the methods at a time
        each += 1
        planned = SearchPlan(space, settings.model_copy(update={"per_method": each})).configurations
    if judged and planned != started:
        raise InputError(
            f"study {settings.name!r} has judged its methods on the test part: further configurations would"
            " be chosen after that. Leave --per-method out, or choose another --name"
        )
    return settings.model_copy(update={"per_method": each})
