"""The answer to a study's question as a table in a terminal."""

from collections.abc import Sequence

from rich.console import Console

from search_spaces.question import Question
from study.analysis.answer import answer, first_of_each_rate
from study.analysis.configurations import by_configuration, comparisons
from study.console import print_line
from study.records.trial import StudyTrial
from study.views.tables import best_table

MOST_METHODS = 10  # at each rate; the files of the report have all


def print_best(console: Console, trials: Sequence[StudyTrial], question: Question) -> None:
    """Print the answer to a study's question; nothing if there is none yet.

    Args:
        console: Where it is printed.
        trials: All trials of the study.
        question: The study's question.
    """
    found = answer(by_configuration(trials), question)
    if not found.configurations:
        return
    shown = [each for group in first_of_each_rate(found, MOST_METHODS) for each in group]
    compared = comparisons(found.configurations)
    console.print(best_table(shown, found.title, compared, show_bytes=found.shows_bytes))
    if left_out := len(found.configurations) - len(shown):
        print_line(console, f"and {left_out} more: see the tables of cops report", "dim")
