"""Tables in a terminal of 80 columns: the best configurations, and the trials that failed."""

import math
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from study.analysis.configurations import ConfigurationResult, MethodComparison
from study.records.trial import StudyTrial


def best_table(
    configurations: Sequence[ConfigurationResult],
    title: str,
    compared: Sequence[MethodComparison] = (),
    *,
    show_bytes: bool = False,
) -> Table:
    """Configurations as a table: a row each, with a blank line between rates.

    Columns: `accuracy` on the validation part, last epoch; with several seeds the mean, its 95 % interval and
    the number of seeds. `sd`: the standard deviation of a single seed. `p`: see `MethodComparison`. `bytes`:
    of the stored network, mean over the seeds. `factor`: all parameters divided by the trained ones. With
    several seeds there is no space for density and factor, which follow from the rate and the trained
    parameters.

    Args:
        configurations: The rows, in their order.
        title: The title of the table.
        compared: The comparisons with the best of each rate, for the column `p`.
        show_bytes: Whether there is a column `bytes`.
    """
    seeds = max((len(found.accuracies) for found in configurations), default=1) > 1
    p_values = _p_values(compared)
    columns = {
        "accuracy": True,
        "sd": seeds,
        "p": bool(p_values),
        "density": not seeds,
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
    for index, found in enumerate(configurations):
        if index and found.rate != configurations[index - 1].rate:
            table.add_row()
        cells = _cells(found) | {"p": p_values.get(found.number, "")}
        table.add_row(cells["rate"], escape(cells["method"]), *(cells[name] for name in shown))
    return table


def _cells(found: ConfigurationResult) -> dict[str, str]:
    """A configuration as text, by column."""
    rate, interval = found.freezing_rate, found.interval
    several, spec = interval is not None and interval.count > 1, found.measure.spec
    return {
        "rate": "" if rate is None else str(rate),
        "method": found.marked_method,
        "accuracy": f"{interval:{spec}}" if interval is not None and several else found.shown_mean,
        "sd": f"{interval.deviation:{spec}}" if interval is not None and several else "",
        "density": f"{found.density:.4g}",
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
