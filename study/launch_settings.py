"""The settings and the question of a new launch, from what its user wrote."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from cops_core.errors import InputError, parse_decimal
from cops_core.plugins import Plugin
from search_spaces.base import SearchSpace
from search_spaces.question import Ablate, Compare, Question, choose_question
from study.settings import PER_METHOD, Settings, make_settings


def settings_of(
    space: SearchSpace, question: Question, given: Mapping[str, Any], plugins: tuple[Plugin, ...]
) -> Settings:
    """The settings of a new launch.

    Args:
        space: The space, from which the defaults of the study's name and number of trials come.
        question: The question.
        given: Settings by name, as the user wrote them; those that are missing or None have their defaults.
        plugins: The loaded plugins.

    Returns:
        The settings.

    Raises:
        InputError: A value is wrong, the space does not let a field be set, there is early stopping although
            trials have no common rate, or a number that the question or the sampler decides.
    """
    asked = {name: value for name, value in given.items() if value is not None}
    check_sizes(asked, question, asked.get("sampler", ""))
    if asked.get("stopping", "none") != "none" and not question.axis:
        raise InputError(
            f"--stopping {asked['stopping']} is for studies at given rates: leave it out, or write --rates"
        )
    own = {"space": space.reference, "name": space.name, "trials": space.trials}
    if isinstance(question, Compare):
        own |= {"seeds": question.choosing_seeds, "per_method": PER_METHOD}
    settings = make_settings(**{**own, **asked, "question": question, "plugins": plugins})
    space.with_fields(settings.fields)
    return settings


def check_sizes(asked: Mapping[str, Any], question: Question, sampler: str) -> None:
    """Check that sizes are given by the settings that decide them.

    Args:
        asked: The given settings by name.
        question: The study's question.
        sampler: The name of its sampler; empty for the default one.

    Raises:
        InputError: A setting has no effect here.
    """
    if sampler == "grid" and not question.axis:
        raise InputError("--sampler grid is for studies at given rates: write --rates, or another --sampler")
    if sampler == "grid" and (sizes := [name for name in ("trials", "per_method") if name in asked]):
        flag = sizes[0].replace("_", "-")
        raise InputError(f"--sampler grid tries every configuration: leave --{flag} out")
    if isinstance(question, Ablate) and "trials" in asked:
        raise InputError("--trials is not for a study of cops ablate, whose seeds decide that: leave it out")
    if question.strata and "trials" in asked:
        raise InputError("--trials is not for --objective compare: write --per-method, e.g. --per-method 4")
    if question.strata and "seeds" in asked:
        raise InputError("--seeds is not for --objective compare: write --choosing-seeds and --judging-seeds")
    if not question.strata and "per_method" in asked:
        raise InputError("--per-method belongs to --objective compare: write both, or --trials")


def question_from(space: SearchSpace, words: Mapping[str, str | None]) -> Question:
    """The question of the flags, else the space's own.

    Args:
        space: The space.
        words: The text of `objective`, `rates` and the flags of single questions; None for those left out.

    Returns:
        The question.

    Raises:
        InputError: A text is not valid.
    """
    given = {name: text for name, text in words.items() if text is not None}
    objective, rates = given.pop("objective", None), given.pop("rates", None)
    return choose_question(space.question, objective, None if rates is None else parse_rates(rates), given)


def parse_rates(text: str) -> tuple[Decimal, ...]:
    """Freezing rates from text.

    Args:
        text: E.g. `0.95,0.99`.

    Returns:
        The rates.

    Raises:
        InputError: The text is not a list of numbers.
    """
    return tuple(parse_decimal("--rates", part) for part in text.split(","))
