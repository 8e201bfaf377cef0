"""The answer to a study's question as a table in a terminal."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.text import Text

from study.analysis.ablations import study_ablations
from study.analysis.answer import answer, first_of_each_rate
from study.analysis.comparisons import comparisons
from study.analysis.configurations import by_configuration
from study.analysis.fairness import Choice, choices
from study.analysis.fairness_words import TRIED, warnings
from study.analysis.judged import study_methods
from study.console import print_line
from study.records.trial import StudyTrial
from study.settings import Settings
from study.views.ablations import print_ablations
from study.views.methods import print_methods
from study.views.tables import best_table, print_chosen

MOST_METHODS = 10  # at each rate; the files of the report have all


def print_best(
    console: Console, trials: Sequence[StudyTrial], settings: Settings, runs: Mapping[str, str]
) -> None:
    """Print the answer to a study's question, and what was chosen; nothing if there is none yet.

    Args:
        console: Where it is printed.
        trials: All trials of the study.
        settings: The study's settings.
        runs: The ids of MLflow's runs by the trial's name.
    """
    configurations = by_configuration(trials)
    ablations = study_ablations(configurations, settings)
    if ablations is not None:
        print_ablations(console, ablations)
        return
    methods = study_methods(configurations, settings)
    if methods is not None:
        print_methods(console, methods, runs)
        return
    found = answer(configurations, settings.question)
    if not found.configurations:
        return
    compared = choices(found.configurations, configurations)
    numbers = {each.number for group in first_of_each_rate(found, MOST_METHODS) for each in group}
    shown = [each for each in compared if each.result.number in numbers]
    console.print(best_table(shown, found.title, comparisons(compared), show_bytes=found.shows_bytes))
    if left_out := len(compared) - len(shown):
        print_line(console, f"and {left_out} more: see the tables of cops report", "dim")
    print_chosen(console, shown, runs)
    print_unequal(console, compared)


def print_unequal(console: Console, compared: Sequence[Choice]) -> None:
    """Print what the column `tried` is, and what is not equal between the rows of a table, in its width."""
    console.print(Text(TRIED, "dim"), highlight=False)
    for line in warnings(compared):
        console.print(Text(line, "yellow"), highlight=False)
