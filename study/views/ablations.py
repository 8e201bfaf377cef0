"""The ablations of a trial: as tables in a terminal of 80 columns, and as JSON values."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from study.analysis.ablation_words import ablation_headline, ablation_notes, conclusions
from study.analysis.ablations import Ablations
from study.views.methods import method_rows, tests_table


def print_ablations(console: Console, found: Ablations) -> None:
    """Print the rows, what they conclude, and how they are read.

    Args:
        console: Where they are printed.
        found: The ablations; nothing is printed before the first trial.
    """
    table = found.table
    if not table.rows:
        return
    if table.is_judged:
        title = f"trial {found.trial} and its ablations on test, {table.seeds} fresh seeds"
        console.print(tests_table(table, table.rows, title))
    console.print(Text(ablation_headline(table), "bold"))
    for conclusion in conclusions(table):
        console.print(f"- {conclusion.sentence}", markup=False, highlight=False)
    for line in ablation_notes(table):
        console.print(line, style="dim", markup=False, highlight=False)


def ablations_content(found: Ablations, runs: Mapping[str, str]) -> dict[str, Any]:
    """The ablations as JSON values.

    Args:
        found: The ablations.
        runs: The ids of MLflow's runs by the trial's name.

    Returns:
        `trial`: `STUDY/NUMBER`. `evaluation`: on which part of the data. `rows`: as those of
        `methods_content`; `method` is `unchanged` or the ablation. `conclusions`: a `subject`, its `finding`
        (see `study.analysis.ablation_words.Finding`) and the `sentence` of each. `headline`, `notes`: as they
        are printed.
    """
    table = found.table
    return {
        "trial": found.trial,
        "evaluation": "test",
        "measure": asdict(table.measure),
        "baseline": table.baseline,
        "seeds": table.seeds,
        "complete": table.is_complete,
        "rows": method_rows(table, runs),
        "headline": ablation_headline(table),
        "conclusions": [asdict(conclusion) for conclusion in conclusions(table)],
        "notes": ablation_notes(table),
    }
