"""A comparison of methods in sentences: its budget, its differences, and what they may conclude."""

import math
from collections.abc import Sequence

from cops_core.errors import listed
from study.analysis.fairness import choices
from study.analysis.fairness_words import warnings
from study.analysis.judged import MethodResult, MethodTable
from study.analysis.statistics import least_difference

SIGNIFICANT = 0.05
MOST_NAMED = 8  # differences in a sentence; tables have all


def budget(table: MethodTable) -> str:
    """`8 configurations each`, `3 of 8 configurations each`, `2 to 3 of 8 configurations each`."""
    least, most = table.counts
    number = f"{least}" if least == most else f"{least} to {most}"
    of = f" of {table.planned}" if table.planned is not None and most < table.planned else ""
    noun = "configuration" if (least, most) == (1, 1) and not of else "configurations"
    return f"{number}{of} {noun} each"


def sentences(table: MethodTable) -> list[str]:
    """All that must be known to read the table.

    Args:
        table: The methods.

    Returns:
        Sentences: the budget of each method, what differs between them, what p-values and differences mean.
        None without rows.
    """
    if not table.rows:
        return []
    found = [_budget(table)]
    chosen = [row.chosen for row in table.rows if row.chosen is not None]
    every = [each for row in table.rows for each in row.tried]
    found += warnings(choices(chosen, every), budgets=False)  # budgets are said above
    if not table.is_judged:
        return found
    if table.baseline:
        found.append(_differences(table))
    found += _without_values(table)
    if compared := table.compared:
        found.append(power_sentence(compared))
    return found


def verdict(table: MethodTable) -> str:
    """Which differences to the baseline are more than chance; empty without p-values."""
    compared = table.compared
    if not compared:
        return ""
    clear = [row for row in compared if row.difference is not None and row.difference.p_value < SIGNIFICANT]
    rest = len(compared) - len(clear)
    if not clear:
        return f"No difference to {table.baseline} is more than chance (of {_count(rest)}, at 5 % in total)."
    named = "; ".join(f"{row.method}{_at(row)} {_change(row, table)}" for row in clear[:MOST_NAMED])
    named += f"; and {len(clear) - MOST_NAMED} more" if len(clear) > MOST_NAMED else ""
    others = f" The other {_count(rest)} may be chance." if rest else ""
    return f"More than chance, compared with {table.baseline} (at 5 % in total): {named}.{others}"


def _budget(table: MethodTable) -> str:
    each = f"{budget(table)[0].upper()}{budget(table)[1:]}"
    if table.exhaustive:
        return (
            "Each method is tried completely. Their numbers of configurations differ, so they are not ranked."
        )
    if any(row.has_all for row in table.rows):
        each += '; "all": as many as the method has'
    return each + (
        "." if table.is_judged else ": the best of each on validation so far. Nothing is evaluated on test."
    )


def _differences(table: MethodTable) -> str:
    missing = [row for row in table.rows if row.method == table.baseline and row.test is None]
    text = f"Differences are to {table.baseline}, paired by seed."
    if missing:
        rates = listed([str(row.rate) for row in missing if row.rate is not None])
        text += (
            f" It has no test accuracy{f' at {rates}' if rates else ''}: nothing is compared with it there."
        )
    return text


def _without_values(table: MethodTable) -> list[str]:
    """Why there are no p-values."""
    if not table.is_complete:
        waiting = sum(row.waiting for row in table.rows)
        return [f"{waiting} trials on fresh seeds are still to come: there are no p-values before."]
    if not table.is_fair and not table.exhaustive:
        return ["Budgets are not equal: there are no p-values, and no order of methods."]
    if any(row.difference is not None and math.isnan(row.difference.p_value) for row in table.rows):
        return [
            f"No p where a method has more configurations than {table.baseline}, or fewer: its best is the"
            " best of another number."
        ]
    return []


def power_sentence(compared: Sequence[MethodResult]) -> str:
    """How p-values and the least differences of a table are computed.

    Args:
        compared: The rows with a p-value, one or more.
    """
    seeds = max(row.difference.interval.count for row in compared if row.difference is not None)
    deviations = least_difference(seeds, len(compared))
    return (
        f"p: paired t-test, adjusted by Holm for {_count(len(compared))}. least: the smallest difference that"
        f" the seeds could have shown, with 80 % power after correction (with {seeds} seeds {deviations:.1f}"
        " standard deviations of a paired difference)."
    )


def _count(number: int) -> str:
    return "1 comparison" if number == 1 else f"{number} comparisons"


def _at(row: MethodResult) -> str:
    return "" if row.rate is None else f" at {row.rate}"


def _change(row: MethodResult, table: MethodTable) -> str:
    assert row.difference is not None
    return format(row.difference.interval.mean, f"+{table.measure.spec}")
