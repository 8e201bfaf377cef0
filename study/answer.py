"""The answer to a study's question, as tables."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console

from search_spaces.question import Cost, Pareto, Smallest
from study.configurations import (
    ConfigurationResult,
    best_per_method,
    by_configuration,
    comparable,
    comparisons,
    pareto_front,
)
from study.ledger.trial import StudyTrial
from study.tables import best_table


def print_best(console: Console, trials: Sequence[StudyTrial], question: dict[str, Any]) -> None:
    """The answer to the study's question."""
    found = by_configuration(trials)
    if question["kind"] == Pareto.__name__.lower():
        cost: Cost = question.get("cost", "density")  # absent in studies from before it could be chosen
        title = f"no trial beats these in both accuracy and {cost}"
        console.print(best_table(pareto_front(found, cost), title, cost=cost))
    elif question["kind"] == Smallest.__name__.lower():
        print_smallest(console, found, float(question["keep"]))
    else:
        best = best_per_method(found)
        title = "best of each method by validation accuracy, within each rate"
        console.print(best_table(best, title, comparisons(best)))


def print_smallest(console: Console, found: Sequence[ConfigurationResult], keep: float) -> None:
    """The configurations that keep the asked share of the dense accuracy, sparsest first."""
    finished = [each for each in comparable(found) if each.status == "finished"]
    dense = next((each for each in finished if each.method == "dense"), None)
    if dense is None:
        return
    kept = sorted(
        (each for each in finished if each.mean >= keep * dense.mean), key=lambda each: each.density
    )
    title = f"fewest weights that keep {keep:.1%} of the dense accuracy {dense.mean:.2%}"
    console.print(best_table(kept[:10], title))
