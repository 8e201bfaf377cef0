"""The answer to a study's question, from the configurations that have run to their end."""

from collections.abc import Sequence
from itertools import groupby

from search_spaces.question import Answer, Question
from study.analysis.configurations import ConfigurationResult, comparable

NOTHING = "No configuration has finished yet."


def answer(found: Sequence[ConfigurationResult], question: Question) -> Answer[ConfigurationResult]:
    """The answer, from those whose accuracies mean the same."""
    return question.answer(comparable(found))


def headline(found: Sequence[ConfigurationResult], question: Question) -> str:
    """The answer in one or two sentences, for a study's report and its run in MLflow."""
    compared = comparable(found)
    if not compared:
        return NOTHING
    dense = next((each for each in compared if each.method == "dense"), None)
    beside = f" The dense network has {dense.shown_accuracy}." if dense is not None else ""
    return question.answer(compared).headline + beside


def first_of_each_rate(answered: Answer[ConfigurationResult], most: int) -> list[list[ConfigurationResult]]:
    """The answer's configurations, no more than `most` of each rate; of a front, which has no rates, all."""
    groups = [(rate, list(group)) for rate, group in groupby(answered.configurations, lambda each: each.rate)]
    return [group if rate is None else group[:most] for rate, group in groups]
