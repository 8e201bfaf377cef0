"""The answer to a study's question: the configurations that are it, as a table in a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rich.console import Console

from search_spaces.question import Cost, Pareto, Smallest
from study.analysis.configurations import (
    Comparison,
    ConfigurationResult,
    best_per_method,
    by_configuration,
    comparable,
    comparisons,
    pareto_front,
)
from study.records.trial import StudyTrial
from study.views.tables import best_table

MOST_SMALLEST = 10
MOST_METHODS = 10  # of each rate in a terminal; the report's files have all


@dataclass(frozen=True)
class Answer:
    """What answers a question. title: what the configurations are. compared: p-values, within rates."""

    title: str
    configurations: tuple[ConfigurationResult, ...]
    compared: tuple[Comparison, ...] = ()
    cost: Cost = "density"


def answer(found: Sequence[ConfigurationResult], question: dict[str, Any]) -> Answer | None:
    """The answer to a recorded question. None for the smallest as long as the dense network has not ended."""
    if question["kind"] == Pareto.__name__.lower():
        cost: Cost = question.get("cost", "density")  # absent in studies from before it could be chosen
        front = tuple(pareto_front(found, cost))
        return Answer(f"no trial beats these in both accuracy and {cost}", front, cost=cost)
    if question["kind"] == Smallest.__name__.lower():
        return smallest(found, float(question["keep"]))
    best = tuple(best_per_method(found))
    title = "best of each method by validation accuracy, within each rate"
    return Answer(title, best, tuple(comparisons(best)))


def smallest(found: Sequence[ConfigurationResult], keep: float) -> Answer | None:
    """The configurations that keep the asked share of the dense accuracy, sparsest first."""
    finished = [each for each in comparable(found) if each.status == "finished"]
    dense = next((each for each in finished if each.method == "dense"), None)
    if dense is None:
        return None
    kept = sorted(
        (each for each in finished if each.mean >= keep * dense.mean), key=lambda each: each.density
    )
    title = f"fewest weights that keep {keep:.1%} of the dense accuracy {dense.mean:.2%}"
    return Answer(title, tuple(kept[:MOST_SMALLEST]))


def first_of_each_rate(answered: Answer, most: int) -> list[list[ConfigurationResult]]:
    """The answer's configurations, no more than `most` of each rate; of a front, which has no rates, all."""
    groups = [(rate, list(group)) for rate, group in groupby(answered.configurations, lambda each: each.rate)]
    return [group if rate is None else group[:most] for rate, group in groups]


def print_best(console: Console, trials: Sequence[StudyTrial], question: dict[str, Any]) -> None:
    """The answer to the study's question."""
    found = answer(by_configuration(trials), question)
    if found is None:
        return
    shown = [each for group in first_of_each_rate(found, MOST_METHODS) for each in group]
    console.print(best_table(shown, found.title, found.compared, cost=found.cost))
    if left_out := len(found.configurations) - len(shown):
        console.print(
            f"and {left_out} more, all of them in the tables of cops report", style="dim", soft_wrap=True
        )
