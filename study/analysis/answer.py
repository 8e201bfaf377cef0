"""The answer to a study's question, from the configurations that have run to their end."""

from collections.abc import Sequence
from itertools import groupby

from search_spaces.question import Answer, Question
from study.analysis.configurations import ConfigurationResult, comparable

NOTHING = "No configuration has finished yet."


def answer(found: Sequence[ConfigurationResult], question: Question) -> Answer[ConfigurationResult]:
    """The answer to a study's question.

    Args:
        found: The study's configurations; only comparable ones count, and those on fresh seeds.
        question: The question.

    Returns:
        The configurations that answer it, and a sentence.
    """
    return question.answer(_answering(found))


def headline(found: Sequence[ConfigurationResult], question: Question) -> str:
    """The answer in one or two sentences, for a study's report and its run in MLflow.

    Args:
        found: The study's configurations; only comparable ones count, and those on fresh seeds.
        question: The question.

    Returns:
        The sentences.
    """
    compared = _answering(found)
    if not compared:
        return NOTHING
    dense = [each for each in compared if each.method == "dense"]
    shown = [each.shown_test for each in dense if each.judges is not None]
    shown += [each.shown_accuracy for each in dense if each.judges is None]
    reference = f" The dense network has {shown[0]}." if shown else ""
    return question.answer(compared).headline + reference


def _answering(found: Sequence[ConfigurationResult]) -> list[ConfigurationResult]:
    """Comparable configurations, and those on fresh seeds that were evaluated on the test part."""
    return [*comparable(found), *(each for each in found if each.judges is not None and each.tests)]


def first_of_each_rate(answered: Answer[ConfigurationResult], most: int) -> list[list[ConfigurationResult]]:
    """The answer's configurations in groups, one group for each rate.

    Args:
        answered: The answer.
        most: The largest number of configurations of a rate.

    Returns:
        The first configurations of each rate. A Pareto front has no rates, and is one group with all of it.
    """
    groups = [(rate, list(group)) for rate, group in groupby(answered.configurations, lambda each: each.rate)]
    return [group if rate is None else group[:most] for rate, group in groups]
