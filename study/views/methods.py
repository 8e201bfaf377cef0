"""A comparison of methods: as tables in a terminal of 80 columns, and as JSON values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from study.analysis.judged import MethodResult, MethodTable
from study.analysis.judged_words import sentences, verdict
from study.analysis.statistics import Interval
from study.analysis.words import marked
from study.console import print_line
from study.records.runs import short_id
from study.views.tables import show_p

MOST_METHODS = 10  # at each rate; the files of the report have all


def print_methods(console: Console, table: MethodTable, runs: Mapping[str, str]) -> None:
    """Print what was found on the test part, what validation chose, and how both are read.

    Args:
        console: Where it is printed.
        table: The methods; nothing is printed if it has no rows.
        runs: The ids of MLflow's runs by the trial's name.
    """
    if not table.rows:
        return
    shown = _shown(table)
    if table.is_judged:
        title = f"chosen on validation, then {table.seeds} fresh seeds on test"
        console.print(tests_table(table, shown, title))
    console.print(_chosen(table, shown, runs))
    if left_out := len(table.rows) - len(shown):
        print_line(console, f"and {left_out} more: see the tables of cops report", "dim")
    for line in sentences(table):
        console.print(line, style="dim", markup=False, highlight=False)
    if conclusion := verdict(table):
        console.print(conclusion, markup=False, highlight=False)


def _shown(table: MethodTable) -> list[MethodResult]:
    """The first methods of each rate, and the baseline."""
    counts: dict[Decimal | None, int] = {}
    shown = []
    for row in table.rows:
        counts[row.rate] = counts.get(row.rate, 0) + 1
        if counts[row.rate] <= MOST_METHODS or row.method == table.baseline:
            shown.append(row)
    return shown


def tests_table(table: MethodTable, shown: Sequence[MethodResult], title: str) -> Table:
    """The accuracies on test as a table.

    Columns: the mean on the test part, the difference to the baseline, its p-value, and `least`.

    Args:
        table: The methods.
        shown: The rows that are shown.
        title: The title.
    """
    spec, tested = table.measure.spec, bool(table.compared)
    headings = [f"test {table.measure.noun}"]
    headings += ["difference"] * bool(table.baseline) + ["p", "least"] * tested
    found = _table(title, headings)
    for index, row in enumerate(shown):
        if index and row.rate != shown[index - 1].rate:
            found.add_row()
        cells = ["" if row.test is None else interval_text(row.test, spec)]
        cells += [_difference(row, table)] if table.baseline else []
        p_value, least = (math.nan, math.nan)
        if row.difference is not None:
            p_value, least = row.difference.p_value, row.difference.least
        cells += ["" if math.isnan(p_value) else show_p(p_value)] * tested
        cells += ["" if math.isnan(least) else f"{least:{spec}}"] * tested
        found.add_row(_rate(row), escape(marked(row.method, row.caveat, row.note)), *cells)
    return found


def _difference(row: MethodResult, table: MethodTable) -> str:
    if row.method == table.baseline:
        return "baseline"
    if row.difference is None:
        return ""
    found, spec = row.difference.interval, table.measure.spec
    width = f" ± {found.half_width:{spec}}" if found.count > 1 else ""
    return f"{found.mean:+{spec}}{width}"


def _chosen(table: MethodTable, shown: Sequence[MethodResult], runs: Mapping[str, str]) -> Table:
    """Columns: how many configurations were tried, the best on validation, its run and its parameters."""
    title = "what validation chose" if table.is_judged else "best of each method on validation so far"
    seeds = max((len(row.chosen.trials) for row in shown if row.chosen is not None), default=1)
    found = _table(title, ["tried", table.measure.noun, "config" if seeds > 1 else "trial", "run"])
    found.add_column("chosen", overflow="fold")
    for index, row in enumerate(shown):
        if index and row.rate != shown[index - 1].rate:
            found.add_row()
        chosen = row.chosen
        name = marked(row.method, row.caveat, *(f"{count} {end}" for end, count in row.ends.items()))
        parameters = ", ".join(f"{key} {value}" for key, value in row.parameters.items())
        cells = ["", "", ""]
        if chosen is not None and chosen.interval is not None:
            number = chosen.number if seeds > 1 else chosen.trials[0].number
            mean = interval_text(chosen.interval, table.measure.spec)
            cells = [mean, str(number), short_id(chosen.trials, runs)]
        found.add_row(_rate(row), escape(name), row.shown_count, *cells, escape(parameters))
    return found


def _table(title: str, headings: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    table.add_column("rate")
    table.add_column("method", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _rate(row: MethodResult) -> str:
    return "" if row.rate is None else str(row.rate)


def interval_text(found: Interval, spec: str) -> str:
    """`81.80% ± 0.40% (5)`; a single value as it is."""
    return format(found, spec) if found.count > 1 else f"{found.mean:{spec}}"


def methods_content(table: MethodTable, runs: Mapping[str, str]) -> dict[str, Any]:
    """A comparison of methods as JSON values.

    Args:
        table: The methods.
        runs: The ids of MLflow's runs by the trial's name.

    Returns:
        `rows`: of each method at each rate (null is the dense network's): `tried`, `has_all` (it has no more
        configurations), `ends` (how many of the tried ones were stopped early, failed, ...), `chosen`
        (number, trials, run ids, learning rate, levels, parameters, validation), `run_ids` on fresh seeds,
        `test` with its interval, `caveat` beside the method, `note` on seeds that were lost, `difference` to
        the `baseline`, its `p_value` and `least`. `notes` and `verdict`: as the tables print them.
    """
    return {
        "baseline": table.baseline or None,
        "measure": asdict(table.measure),
        "judging_seeds": table.seeds,
        "per_method": table.planned,
        "judged": table.is_judged,
        "complete": table.is_complete,
        "equal_budgets": table.is_fair,
        "rows": method_rows(table, runs),
        "notes": sentences(table),
        "verdict": verdict(table) or None,
    }


def method_rows(table: MethodTable, runs: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows as JSON values.

    Args:
        table: The methods.
        runs: The ids of MLflow's runs by the trial's name.

    Returns:
        See `methods_content`.
    """
    return [_row(row, runs) for row in table.rows]


def _row(row: MethodResult, runs: Mapping[str, str]) -> dict[str, Any]:
    difference = row.difference
    return {
        "rate": None if row.rate is None else str(row.rate),
        "method": row.method,
        "tried": row.count,
        "has_all": row.has_all,
        "ends": row.ends,
        "chosen": _chosen_content(row, runs),
        "judged": None if row.judged is None else row.judged.number,
        "run_ids": [] if row.judged is None else [runs.get(trial.name) for trial in row.judged.trials],
        "test": interval_content(row.test),
        "tests": {} if row.judged is None else {str(s): test for s, test in row.judged.tests.items()},
        "caveat": row.caveat or None,
        "note": row.note or None,
        "difference": None if difference is None else interval_content(difference.interval),
        "p_value": None if difference is None else _finite(difference.p_value),
        "least": None if difference is None else _finite(difference.least),
    }


def _chosen_content(row: MethodResult, runs: Mapping[str, str]) -> dict[str, Any] | None:
    if row.chosen is None:
        return None
    trial = row.chosen.trials[0]
    selection = trial.config.selection
    return {
        "configuration": row.chosen.number,
        "title": row.chosen.title,
        "trials": [each.name for each in row.chosen.trials],
        "run_ids": [runs.get(each.name) for each in row.chosen.trials],
        "validation": interval_content(row.chosen.interval),
        "learning_rate": trial.config.training.learning_rate,
        "levels": {} if selection is None else {str(each.score): each.level for each in selection.controls},
        "parameters": trial.parameters,
    }


def interval_content(found: Interval | None) -> dict[str, Any] | None:
    """A mean as JSON values; its interval is null with a single seed."""
    if found is None:
        return None
    ends = [found.mean - found.half_width, found.mean + found.half_width] if found.count > 1 else None
    return {"mean": found.mean, "interval": ends, "seeds": found.count}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
