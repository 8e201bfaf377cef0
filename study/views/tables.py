"""Tables in a terminal of 80 columns: the best configurations, and the trials that failed."""

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from study.analysis.comparisons import MethodComparison
from study.analysis.fairness import Choice
from study.analysis.fairness_words import parameters, trial_numbers
from study.records.runs import short_id
from study.records.trial import StudyTrial

WIDTH = 80  # columns of a terminal
GAP = 2  # columns between two columns of a table


def best_table(
    compared: Sequence[Choice],
    title: str,
    tests: Sequence[MethodComparison] = (),
    *,
    show_bytes: bool = False,
) -> Table:
    """Configurations as a table: a row each, with a blank line between rates.

    Columns: `accuracy` on the validation part, last epoch; with several seeds the mean, its 95 % interval and
    the number of seeds. `p`: see `MethodComparison`. `tried`: see `Choice.shown_budget`. `bytes`: of the
    stored network, mean over the seeds. `factor`: all parameters divided by the trained ones; with several
    seeds there is no space for it.

    Args:
        compared: The rows, in their order.
        title: The title of the table.
        tests: The comparisons with the best of each rate, for the column `p`.
        show_bytes: Whether there is a column `bytes`.
    """
    configurations = [each.result for each in compared]
    seeds = _several_seeds(compared)
    p_values = _p_values(tests)
    columns = {
        "accuracy": True,
        "p": bool(p_values),
        "tried": True,
        "bytes": show_bytes,
        "trained": True,
        "factor": not seeds,
        "config" if seeds else "trial": True,
    }
    shown = [name for name, wanted in columns.items() if wanted]
    table = Table(title=escape(title), title_justify="left", box=None, header_style="dim", pad_edge=False)
    table.add_column("rate")
    table.add_column("method", overflow="fold")
    named = {"accuracy": configurations[0].measure.noun} if configurations else {}
    for heading in (named.get(name, name) for name in shown):
        table.add_column(heading, justify="right", no_wrap=True)
    for index, each in enumerate(compared):
        if index and each.result.rate != configurations[index - 1].rate:
            table.add_row()
        cells = _cells(each) | {"p": p_values.get(each.result.number, "")}
        table.add_row(cells["rate"], escape(cells["method"]), *(cells[name] for name in shown))
    return table


def print_chosen(console: Console, compared: Sequence[Choice], runs: Mapping[str, str]) -> None:
    """Print what was chosen: the trials and the run of each row of `best_table`, and its parameters.

    Args:
        console: Where it is printed.
        compared: The rows.
        runs: The ids of MLflow's runs by the trial's name.
    """
    seeds = _several_seeds(compared)
    numbers = [str(each.result.number if seeds else each.result.trials[0].number) for each in compared]
    ids = [short_id(each.result.trials, runs) for each in compared]
    keys = {"config" if seeds else "trial": numbers}
    for table in chosen_tables(keys, compared, ids, show_trials=seeds):
        console.print(table)


def chosen_tables(
    keys: Mapping[str, Sequence[str]],
    compared: Sequence[Choice],
    ids: Sequence[str],
    *,
    show_trials: bool = True,
) -> Iterator[Table]:
    """The trials of some configurations, and their parameters, as text in columns.

    Args:
        keys: Columns that name the rows in each table.
        compared: The rows.
        ids: Of each row, the run of its first trial (see `short_id`).
        show_trials: Whether there is a column of the trials' numbers.

    Yields:
        Tables of at most `WIDTH` columns: one, or several if there are many parameters or long names. A
        single name that is longer is folded.
    """
    found = parameters(compared)
    columns = {"trials": [trial_numbers(each) for each in compared]} if show_trials else {}
    columns["run"] = list(ids)
    for name in dict.fromkeys(name for row in found for name in row):
        columns[name] = [row.get(name, "") for row in found]
    part: dict[str, Sequence[str]] = {}
    for name, cells in columns.items():
        if part and _width({**keys, **part, name: cells}) > WIDTH:
            yield _chosen_table(keys, part)
            part = {}
        part[name] = cells
    if part:
        yield _chosen_table(keys, part)


def _chosen_table(keys: Mapping[str, Sequence[str]], part: Mapping[str, Sequence[str]]) -> Table:
    table = Table(title="chosen", title_justify="left", box=None, header_style="dim", pad_edge=False)
    for name in keys:
        table.add_column(name, justify="right", no_wrap=True)
    for name in part:
        table.add_column(escape(name), justify="right", overflow="fold")
    for cells in zip(*keys.values(), *part.values(), strict=True):
        table.add_row(*map(escape, cells))
    return table


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    """The width of a table of these columns."""
    return sum(GAP + max(len(text) for text in (name, *cells)) for name, cells in columns.items()) - GAP


def _several_seeds(compared: Sequence[Choice]) -> bool:
    return max((len(each.result.accuracies) for each in compared), default=1) > 1


def _cells(each: Choice) -> dict[str, str]:
    """A configuration as text, by column."""
    found = each.result
    rate, interval = found.freezing_rate, found.interval
    several, spec = interval is not None and interval.count > 1, found.measure.spec
    return {
        "rate": "" if rate is None else str(rate),
        "method": found.marked_method,
        "accuracy": f"{interval:{spec}}" if interval is not None and several else found.shown_mean,
        "tried": each.shown_budget,
        "bytes": "" if math.isnan(found.stored_bytes) else f"{found.stored_bytes:,.0f}",
        "trained": "" if found.trained_parameters is None else f"{found.trained_parameters:,}",
        "factor": "" if found.compression is None else f"{found.compression:.1f}",
        "config": str(found.number),
        "trial": str(found.trials[0].number),
    }


def _p_values(compared: Sequence[MethodComparison]) -> dict[int, str]:
    """The cells of column p by configuration; empty if there is no p-value at all."""
    known = [comparison for comparison in compared if not math.isnan(comparison.p_value)]
    others = {comparison.other.number: show_p(comparison.p_value) for comparison in known}
    return {comparison.best.number: "best" for comparison in known} | others


def show_p(p_value: float) -> str:
    """A p-value as text: `0.034`, or `<0.001`."""
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def failure_table(failures: Sequence[StudyTrial]) -> Table:
    """The trials that failed, with the complete reason."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("trial", justify="right")
    table.add_column("status", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    table.add_column("reason", overflow="fold")
    for trial in failures:
        table.add_row(str(trial.number), trial.status, escape(trial.title), escape(trial.reason))
    return table
