"""The answer to a study's question as a table in a terminal."""

from collections.abc import Sequence

from rich.console import Console

from study.analysis.answer import answer, first_of_each_rate
from study.analysis.configurations import by_configuration, comparisons
from study.analysis.judged import study_methods
from study.console import print_line
from study.records.trial import StudyTrial
from study.settings import Settings
from study.views.methods import print_methods
from study.views.tables import best_table

MOST_METHODS = 10  # at each rate; the files of the report have all


def print_best(console: Console, trials: Sequence[StudyTrial], settings: Settings) -> None:
    """Print the answer to a study's question; nothing if there is none yet.

    Args:
        console: Where it is printed.
        trials: All trials of the study.
        settings: The study's settings.
    """
    configurations = by_configuration(trials)
    methods = study_methods(configurations, settings)
    if methods is not None:
        print_methods(console, methods)
        return
    found = answer(configurations, settings.question)
    if not found.configurations:
        return
    shown = [each for group in first_of_each_rate(found, MOST_METHODS) for each in group]
    compared = comparisons(found.configurations)
    console.print(best_table(shown, found.title, compared, show_bytes=found.shows_bytes))
    if left_out := len(found.configurations) - len(shown):
        print_line(console, f"and {left_out} more: see the tables of cops report", "dim")
