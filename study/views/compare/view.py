"""A comparison as it is printed in 80 columns, and as JSON."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from study.analysis.configurations import ConfigurationResult
from study.analysis.statistics import Interval
from study.console import print_line
from study.views.compare.sides import Held, Side, SideBySide
from study.views.status import configuration_content
from study.views.tables import show_p


def print_comparison(console: Console, found: SideBySide) -> None:
    """What each argument has at each rate, how far it is from the first, and what else differs."""
    marks = _marks(found.sides)
    for side in found.sides:
        print_line(console, f"{marks[side.label]}  {side.label}")
    print_line(console, "\nbest of each by mean validation accuracy", "italic")
    console.print(_best_table(found.rates, marks))
    print_line(console, f"paired difference to {marks[found.sides[0].label]} over the common seeds", "italic")
    console.print(_difference_table(found.rates, marks))
    if any(math.isfinite(held.p_value) for row in found.rates.values() for held in row):
        console.print(
            "Each best was chosen by these validation accuracies, which makes p too small by an"
            " unknown amount.",
            style="dim",
        )
    if _without_common_seed(found):
        print_line(
            console, "no seed in common: nothing can be compared pair by pair (see --seed of the studies)"
        )
    if found.differences:
        console.print(_settings_table(found, marks))
    else:
        print_line(console, "settings: the same")


def _without_common_seed(found: SideBySide) -> bool:
    """Whether nothing could be paired although there are accuracies to pair."""
    pairs = [(row[0], held) for row in found.rates.values() for held in row[1:]]
    both = [held for first, held in pairs if first.best is not None and held.best is not None]
    return bool(both) and all(held.difference is None for held in both)


def comparison_content(found: SideBySide) -> dict[str, Any]:
    """The same as JSON values. An accuracy's interval is null with a single seed; the dense rate is null."""
    return {
        "arguments": [
            {"argument": side.label, "study": side.study, "method": side.method} for side in found.sides
        ],
        "differences": {name: list(values) for name, values in found.differences.items()},
        "rates": [
            {"rate": None if rate is None else str(rate), "results": [_held_content(held) for held in row]}
            for rate, row in found.rates.items()
        ],
    }


def _held_content(held: Held) -> dict[str, Any]:
    return {
        "argument": held.side.label,
        "best": None if held.best is None else configuration_content(held.best),
        "test": _interval_content(held.test),
        "difference": _interval_content(held.difference),
        "test_difference": _interval_content(held.test_difference),
        "same_trials": held.same_trials,
        "p_value": held.p_value if math.isfinite(held.p_value) else None,
    }


def _interval_content(found: Interval | None) -> dict[str, Any] | None:
    if found is None:
        return None
    several = found.count > 1
    ends = [found.mean - found.half_width, found.mean + found.half_width] if several else None
    return {"mean": found.mean, "interval": ends, "seeds": found.count}


def _marks(sides: Sequence[Side]) -> dict[str, str]:
    """A letter for each argument, which leaves a table its room; numbers beyond 26."""
    return {
        side.label: chr(ord("A") + place) if place < 26 else str(place) for place, side in enumerate(sides)
    }


def _table(*headings: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    table.add_column("rate")
    table.add_column("")
    for heading in headings:
        if heading == "method":
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    return table


def _best_table(rates: Mapping[Decimal | None, Sequence[Held]], marks: Mapping[str, str]) -> Table:
    headings = "method", "validation", "density", "trained", "bytes"
    table = _table(*headings)
    for rate, row in rates.items():
        for place, held in enumerate(row):
            name = _rate(rate) if place == 0 else ""
            table.add_row(name, marks[held.side.label], *_best_cells(held.best))
        table.add_row()
    return table


def _best_cells(best: ConfigurationResult | None) -> tuple[str, ...]:
    if best is None:
        return ("nothing trained to its end",)
    trained = best.trained_parameters
    return (
        escape(best.detailed_method) + (" (collapsed)" if best.status == "collapsed" else ""),
        _shown(best.interval),
        f"{best.density:.3g}",
        "" if trained is None else f"{trained:,}",
        "" if math.isnan(best.stored_bytes) else f"{best.stored_bytes:,.0f}",
    )


def _difference_table(rates: Mapping[Decimal | None, Sequence[Held]], marks: Mapping[str, str]) -> Table:
    """Against the first argument on the common seeds; with test accuracies where there are any."""
    judged = any(held.test is not None for row in rates.values() for held in row)
    first = next(iter(marks.values()))
    headings = f"validation - {first}", "p", *(("test", f"test - {first}") if judged else ())
    table = _table(*headings)
    for rate, row in rates.items():
        shown = row if judged else row[1:]
        for place, held in enumerate(shown):
            p_value = "same trials" if held.same_trials else ""
            if math.isfinite(held.p_value):
                p_value = show_p(held.p_value)
            cells = [_shown(held.difference, "+.2%"), p_value]
            if judged:
                cells += [_shown(held.test), _shown(held.test_difference, "+.2%")]
            table.add_row(_rate(rate) if place == 0 else "", marks[held.side.label], *cells)
        if judged:
            table.add_row()
    return table


def _settings_table(found: SideBySide, marks: Mapping[str, str]) -> Table:
    table = Table(title="what differs", title_justify="left", box=None, header_style="dim", pad_edge=False)
    table.add_column("setting")
    for side in found.sides:
        table.add_column(marks[side.label], overflow="fold")
    for name, values in found.differences.items():
        table.add_row(name, *map(escape, values))
    return table


def _rate(rate: Decimal | None) -> str:
    return "dense" if rate is None else str(rate)


def _shown(found: Interval | None, spec: str = ".2%") -> str:
    """A mean with its interval; a single value as it is."""
    if found is None:
        return ""
    return format(found, spec) if found.count > 1 else f"{found.mean:{spec}}"
