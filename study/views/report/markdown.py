"""The best configurations as a Markdown table, for the description of a study's MLflow run."""

from collections.abc import Sequence

from search_spaces.question import Answer
from study.analysis.answer import first_of_each_rate
from study.analysis.configurations import ConfigurationResult
from study.analysis.fairness import Choice
from study.analysis.fairness_words import TRIED, Parameters, parameters, trial_numbers

MOST_ROWS = 3  # of a rate
MOST_LETTERS = 2500  # of the table: a description has at most 5,000, and commands after the table


def best_markdown(answer: Answer[ConfigurationResult], compared: Sequence[Choice]) -> str:
    """The first rows of the answer as a Markdown table; empty without an answer.

    Args:
        answer: The answer to the study's question.
        compared: Its configurations, with those from which they were chosen.
    """
    if not compared:
        return ""
    numbers = {each.number for group in first_of_each_rate(answer, MOST_ROWS) for each in group}
    shown = [each for each in compared if each.result.number in numbers]
    rows = [_row(each, chosen) for each, chosen in zip(shown, parameters(shown), strict=True)]
    while sum(map(len, rows)) > MOST_LETTERS:
        del rows[-1]
    noun = shown[0].result.measure.noun
    heading = f"| rate | method | {noun} | tried | chosen | trials |\n|---|---|---|---|---|---|"
    left_out = len(compared) - len(rows)
    more = f" The report has {left_out} more rows." if left_out else ""
    return "\n".join([heading, *rows]) + f"\n\n{TRIED[0].upper()}{TRIED[1:]}.{more}"


def _row(each: Choice, chosen: Parameters) -> str:
    found = each.result
    cells = (
        "" if found.freezing_rate is None else f"{found.freezing_rate:f}",
        found.marked_method,
        found.shown_accuracy,
        each.shown_budget,
        ", ".join(f"{name} {value}" for name, value in chosen.items()),
        trial_numbers(each),
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
