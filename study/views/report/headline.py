"""What a study found, in one or two sentences: each number with its interval and its number of seeds."""

from collections.abc import Sequence
from typing import Any

from study.analysis.answer import Answer, answer
from study.analysis.configurations import ConfigurationResult, best_per_method, comparable
from study.views.report.words import accuracy, size

NOTHING = "No configuration has run to its end yet."


def headline(found: Sequence[ConfigurationResult], question: dict[str, Any]) -> str:
    """The answer to the recorded question of a study, for its report and its run in MLflow."""
    whole = comparable(found)
    if not whole:
        return NOTHING
    dense = next((each for each in whole if each.method == "dense"), None)
    against = f" The dense network has {accuracy(dense)}." if dense is not None else ""
    answered = answer(found, question)
    if question["kind"] == "pareto":
        return _front(answered) + against
    if question["kind"] == "smallest":
        return _smallest(answered, question) + against
    return _at_highest_rate(whole) + against


def _at_highest_rate(whole: Sequence[ConfigurationResult]) -> str:
    """The best of each arm where methods differ most."""
    rates = [each.rate for each in whole if each.rate is not None]
    if not rates:
        return "No configuration with a mask has run to its end yet."
    rate = max(rates)
    best: dict[str, ConfigurationResult] = {}
    for each in best_per_method([each for each in whole if each.rate == rate]):
        best.setdefault(each.trials[0].config.arm, each)
    ranked = sorted(best.values(), key=lambda each: -each.mean)
    others = "".join(f", {each.detailed_method} {accuracy(each)}" for each in ranked[1:])
    return (
        f"At a freezing rate of {rate}, {ranked[0].detailed_method} reaches a validation accuracy of"
        f" {accuracy(ranked[0])}{others}."
    )


def _front(answered: Answer | None) -> str:
    assert answered is not None
    front = [each for each in answered.configurations if each.method != "dense"]
    if not front:
        return "The dense network alone stands on the front."
    first, last = front[0], front[-1]
    ends = _point(first) if first is last else f"from {_point(last)} to {_point(first)}"
    kind = "configuration stands" if len(front) == 1 else "configurations stand"
    return f"{len(front)} {kind} on the front of accuracy and {answered.cost}, {ends}."


def _point(each: ConfigurationResult) -> str:
    return f"{accuracy(each)} at a density of {each.density:.3g} ({size(each.stored_bytes)})"


def _smallest(answered: Answer | None, question: dict[str, Any]) -> str:
    asked = f"{float(question['keep']):.1%} of the dense network's accuracy"
    if answered is None:
        return "The dense network has not run to its end yet."
    sparse = [each for each in answered.configurations if each.method != "dense"]
    if not sparse:
        return f"No configuration with a mask keeps {asked}."
    least = sparse[0]
    trained = "" if least.trained_parameters is None else f" ({least.trained_parameters:,} parameters)"
    return (
        f"The fewest weights that keep {asked}: a density of {least.density:.3g}{trained}, with"
        f" {least.detailed_method} at {accuracy(least)}."
    )
