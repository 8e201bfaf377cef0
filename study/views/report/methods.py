"""Methods compared with equal budgets, in a report: the page's table, Parquet, LaTeX and Markdown."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd

from cops_core.trainers import Measure
from study.analysis.judged import Difference, MethodResult, MethodTable
from study.analysis.statistics import Interval
from study.analysis.words import marked, measured
from study.records.runs import run_ids
from study.views.markdown import markdown_table
from study.views.report.tables import escape, latex
from study.views.tables import show_p

MOST_ROWS = 12  # of a table in Markdown, whose length MLflow limits
BASELINE = "baseline"


@dataclass(frozen=True)
class MethodCells:
    """A method at a rate as text."""

    rate: str
    method: str
    tried: str
    ends: str
    chosen: str
    configuration: str
    runs: tuple[str, ...]
    judging_runs: tuple[str, ...]
    validation: str
    test: str
    note: str
    difference: str
    p: str
    least: str


def method_cells(table: MethodTable, runs: Mapping[str, str]) -> list[list[MethodCells]]:
    """The rows of a table as text, in groups by rate.

    Args:
        table: The methods.
        runs: The ids of MLflow's runs by the trial's name.
    """
    groups = groupby(table.rows, key=lambda row: row.rate)
    return [[_cells(row, table, runs) for row in group] for _, group in groups]


def _cells(row: MethodResult, table: MethodTable, runs: Mapping[str, str]) -> MethodCells:
    measure, chosen, difference = table.measure, row.chosen, row.difference
    is_baseline = row.method == table.baseline
    p_value, least = (math.nan, math.nan) if difference is None else (difference.p_value, difference.least)
    return MethodCells(
        rate="" if row.rate is None else f"{row.rate:f}",
        method=marked(row.method, row.caveat),
        tried=row.shown_count,
        ends=", ".join(f"{count} {end}" for end, count in row.ends.items()),
        chosen=", ".join(f"{name} {value}" for name, value in row.parameters.items()),
        configuration="" if chosen is None else str(chosen.number),
        runs=() if chosen is None else run_ids(chosen.trials, runs),
        judging_runs=() if row.judged is None else run_ids(row.judged.trials, runs),
        validation="" if chosen is None else chosen.shown_accuracy,
        test="" if row.test is None else measured(row.test, measure),
        note=row.note,
        difference=BASELINE if is_baseline else _change(difference, measure),
        p="" if math.isnan(p_value) else show_p(p_value),
        least="" if math.isnan(least) else f"{least:{measure.spec}}",
    )


def _change(difference: Difference | None, measure: Measure) -> str:
    if difference is None:
        return ""
    found = difference.interval
    width = f" ± {found.half_width:{measure.spec}}" if found.count > 1 else ""
    return f"{found.mean:+{measure.spec}}{width}"


FRAME = {
    "rate": "string",
    "method": "string",
    "baseline": "string",
    "configurations": "Int64",
    "has_all": "bool",
    "ends": "string",
    "chosen": "Int64",
    "trial": "Int64",
    "run_ids": "string",
    "judging_run_ids": "string",
    "learning_rate": "float64",
    "levels": "string",
    "parameters": "string",
    "validation": "float64",
    "validation_half_width": "float64",
    "choosing_seeds": "Int64",
    "test": "float64",
    "test_half_width": "float64",
    "seeds": "Int64",
    "note": "string",
    "difference": "float64",
    "difference_half_width": "float64",
    "p_value": "float64",
    "least": "float64",
}


def methods_frame(table: MethodTable, runs: Mapping[str, str]) -> pd.DataFrame:
    """The methods as a table, a row for each method and rate.

    Args:
        table: The methods.
        runs: The ids of MLflow's runs by the trial's name.

    Returns:
        `configurations`: how many were tried; `ends` as JSON: how many of them were stopped early, failed
        and so on. `chosen`: the number of the best on validation; `trial`: of its first trial. `levels` and
        `parameters`: as JSON. `run_ids`: of its trials on the choosing seeds, `judging_run_ids`: of those on
        fresh seeds, separated by commas. `difference`, `p_value`, `least`: see
        `study.analysis.judged.Difference`.
    """
    rows = [_row(row, table, runs) for row in table.rows]
    return pd.DataFrame(rows, columns=list(FRAME), dtype=object).astype(FRAME)


def _row(row: MethodResult, table: MethodTable, runs: Mapping[str, str]) -> dict[str, Any]:
    chosen, difference = row.chosen, row.difference
    trial = None if chosen is None else chosen.trials[0]
    selection = None if trial is None else trial.config.selection
    levels = {} if selection is None else {str(each.score): each.level for each in selection.controls}
    change = None if difference is None else difference.interval
    return {
        "rate": None if row.rate is None else f"{row.rate:f}",
        "method": row.method,
        "baseline": table.baseline or None,
        "configurations": row.count,
        "has_all": row.has_all,
        "ends": json.dumps(row.ends),
        "chosen": None if chosen is None else chosen.number,
        "trial": None if trial is None else trial.number,
        "run_ids": ", ".join(() if chosen is None else run_ids(chosen.trials, runs)),
        "judging_run_ids": ", ".join(() if row.judged is None else run_ids(row.judged.trials, runs)),
        "learning_rate": math.nan if trial is None else trial.config.training.learning_rate,
        "levels": json.dumps(levels),
        "parameters": "{}" if trial is None else json.dumps(trial.parameters),
        **_numbers("validation", None if chosen is None else chosen.interval),
        "choosing_seeds": None if chosen is None else len(chosen.accuracies),
        **_numbers("test", row.test),
        "seeds": None if row.test is None else row.test.count,
        "note": row.note,
        **_numbers("difference", change),
        "p_value": math.nan if difference is None else difference.p_value,
        "least": math.nan if difference is None else difference.least,
    }


def _numbers(name: str, found: Interval | None) -> dict[str, float]:
    """A mean and half the width of its interval; NaN for what is not known."""
    width = found.half_width if found is not None and found.count > 1 else math.nan
    return {name: math.nan if found is None else found.mean, f"{name}_half_width": width}


def methods_latex(table: MethodTable, caption: str, label: str) -> bytes:
    """The methods as a LaTeX table, with the numbers of the page.

    Args:
        table: The methods, or a trial's ablations.
        caption: The caption.
        label: The label.
    """
    cells = [cell for group in method_cells(table, {}) for cell in group]
    shown = pd.DataFrame(
        {
            "rate": [cell.rate for cell in cells],
            "method": [escape(cell.method) for cell in cells],
            "tried": [cell.tried for cell in cells],
            "chosen": [escape(cell.chosen) for cell in cells],
            "test": [_tex(cell.test + (f", {cell.note}" if cell.note else "")) for cell in cells],
            "difference": [_tex(cell.difference) for cell in cells],
            "p": [_tex(cell.p) for cell in cells],
            "least": [_tex(cell.least) for cell in cells],
        }
    )
    return latex(shown, caption, label, "lllp{4cm}rrrr")


def _tex(text: str) -> str:
    spaced = escape(text.replace("\u00a0", " "))
    return spaced.replace("±", "$\\pm$").replace("<", "$<$")


def methods_markdown(table: MethodTable) -> str:
    """The first methods as a table in Markdown: their accuracies on test, or on validation before that."""
    cells = [cell for group in method_cells(table, {}) for cell in group]
    return "\n".join(_markdown(table, cells[:MOST_ROWS])) + (
        f"\n\n{len(cells) - MOST_ROWS} more rows are in the report." if len(cells) > MOST_ROWS else ""
    )


def _markdown(table: MethodTable, cells: list[MethodCells]) -> Iterator[str]:
    noun = table.measure.noun
    if not table.is_judged:
        rows = ((each.rate, each.method, each.tried, each.validation, each.chosen) for each in cells)
        yield from markdown_table(["rate", "method", "tried", f"validation {noun}", "chosen"], rows)
        return
    columns = ["rate", "method", "tried", f"test {noun}", "difference", "p", "chosen"]
    yield from markdown_table(
        columns,
        (
            [
                each.rate,
                each.method,
                each.tried,
                each.test + (f" ({each.note})" if each.note else ""),
                *(each.difference, each.p, each.chosen),
            ]
            for each in cells
        ),
    )
