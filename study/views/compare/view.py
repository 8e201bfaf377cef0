"""A comparison as tables of 80 columns, and as JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from study.analysis.fairness import Choice
from study.analysis.fairness_words import plain
from study.analysis.statistics import Interval
from study.console import print_line
from study.records.runs import short_id
from study.views.compare.comparison import Entry, EntryResult, StudyComparison
from study.views.methods import interval_content, interval_text
from study.views.status import choice_content
from study.views.tables import chosen_tables, show_p

MORE = (
    "The best of more configurations is better by chance alone: there is no p where the numbers of"
    " configurations differ."
)


def print_comparison(console: Console, found: StudyComparison) -> None:
    """Print each entry's result at each rate, what was chosen, the differences, and what is not equal."""
    marks = _marks(found.entries)
    for entry in found.entries:
        print_line(console, f"{marks[entry.label]}  {entry.label}")
    print_line(console, "\nbest of each by mean validation accuracy", "italic")
    console.print(_best_table(found.rates, marks))
    for table in _chosen_tables(found.rates, marks):
        console.print(table)
    print_line(
        console, f"paired difference to {marks[found.entries[0].label]} over the common seeds", "italic"
    )
    of_test = _has_values(found, judged=True) and not _has_values(found, judged=False)
    console.print(_difference_table(found.rates, marks, of_test=of_test))
    if _has_values(found, judged=True):
        print_line(console, "p is of accuracies on test, over fresh seeds, which chose nothing", "dim")
    if _has_values(found, judged=False):
        console.print(
            "Each best was chosen by these validation accuracies. So p is too small, by an unknown amount.",
            style="dim",
        )
    if _without_common_seed(found):
        print_line(console, "no common seed: paired differences need studies with the same --seed")
    if found.unequal:
        console.print(_unequal_table(found, marks))
        if any(result.unequal for row in found.rates.values() for result in row):
            console.print(Text(MORE, "yellow"))
    if found.differences:
        console.print(_settings_table(found, marks))
    elif not found.unequal:
        print_line(console, "settings, configurations tried, epochs, recipe, seeds: the same")


def _has_values(found: StudyComparison, *, judged: bool) -> bool:
    """Whether there are p-values: of fresh seeds, or of the validation accuracies that chose."""
    return any(
        math.isfinite(result.p_value) and (row[0].is_judged and result.is_judged) == judged
        for row in found.rates.values()
        for result in row
    )


def _without_common_seed(found: StudyComparison) -> bool:
    """Whether there are accuracies of two entries, but no pair of the same seed."""
    pairs = [(row[0], result) for row in found.rates.values() for result in row[1:]]
    both = [result for first, result in pairs if first.best is not None and result.best is not None]
    return bool(both) and all(result.difference is None for result in both)


def comparison_content(found: StudyComparison) -> dict[str, Any]:
    """A comparison as JSON values.

    The interval of an accuracy is null with a single seed. The rate of the dense network is null.
    `not_equal`: what differs between the results of a rate apart from the method, each with a text for every
    argument.
    """
    return {
        "arguments": [
            {"argument": entry.label, "study": entry.study, "method": entry.method} for entry in found.entries
        ],
        "differences": {name: list(values) for name, values in found.differences.items()},
        "rates": [
            {
                "rate": None if rate is None else str(rate),
                "results": [_result_content(result) for result in row],
                "not_equal": {name: list(texts) for name, texts in found.unequal.get(rate, {}).items()},
            }
            for rate, row in found.rates.items()
        ],
    }


def _result_content(result: EntryResult) -> dict[str, Any]:
    return {
        "argument": result.entry.label,
        "best": None if result.choice is None else choice_content(result.choice, result.entry.runs),
        "judged": result.is_judged,
        "test": interval_content(result.test),
        "difference": interval_content(result.difference),
        "test_difference": interval_content(result.test_difference),
        "same_trials": result.same_trials,
        "p_value": result.p_value if math.isfinite(result.p_value) else None,
    }


def _marks(entries: Sequence[Entry]) -> dict[str, str]:
    """A letter for each entry, to save space in the tables; a number from the 27th on."""
    return {
        entry.label: chr(ord("A") + place) if place < 26 else str(place)
        for place, entry in enumerate(entries)
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


def _best_table(rates: Mapping[Decimal | None, Sequence[EntryResult]], marks: Mapping[str, str]) -> Table:
    headings = "method", "validation", "tried", "trained", "bytes"
    table = _table(*headings)
    for rate, row in rates.items():
        for place, result in enumerate(row):
            name = _rate(rate) if place == 0 else ""
            table.add_row(name, marks[result.entry.label], *_best_cells(result.choice))
        table.add_row()
    return table


def _best_cells(choice: Choice | None) -> tuple[str, ...]:
    if choice is None:
        return ("no finished trial",)
    best = choice.result
    trained = best.trained_parameters
    return (
        escape(best.marked_method),
        _shown(best.interval, best.measure.spec),
        choice.shown_budget,
        "" if trained is None else f"{trained:,}",
        "" if math.isnan(best.stored_bytes) else f"{best.stored_bytes:,.0f}",
    )


def _chosen_tables(
    rates: Mapping[Decimal | None, Sequence[EntryResult]], marks: Mapping[str, str]
) -> Iterator[Table]:
    rows = [
        (
            _rate(rate),
            marks[result.entry.label],
            result.choice,
            short_id(result.choice.result.trials, result.entry.runs),
        )
        for rate, row in rates.items()
        for result in row
        if result.choice is not None
    ]
    keys = {"rate": [rate for rate, _, _, _ in rows], "": [mark for _, mark, _, _ in rows]}
    return chosen_tables(keys, [choice for _, _, choice, _ in rows], [run for _, _, _, run in rows])


def _unequal_table(found: StudyComparison, marks: Mapping[str, str]) -> Table:
    """What is not equal between the results of each rate. tried: the number of configurations of each."""
    table = Table(title="not equal", title_justify="left", box=None, header_style="dim", pad_edge=False)
    table.add_column("rate")
    table.add_column("")
    for entry in found.entries:
        table.add_column(marks[entry.label], overflow="fold")
    for rate, unequal in found.unequal.items():
        for place, (name, texts) in enumerate(unequal.items()):
            table.add_row(_rate(rate) if place == 0 else "", escape(plain(name)), *map(escape, texts))
    return table


def _difference_table(
    rates: Mapping[Decimal | None, Sequence[EntryResult]], marks: Mapping[str, str], *, of_test: bool
) -> Table:
    """Differences to the first entry over the common seeds; with test accuracies if there are any.

    of_test: whether p-values are of the test accuracies: their column is then beside them.
    """
    evaluated = any(result.test is not None for row in rates.values() for result in row)
    first = next(iter(marks.values()))
    tested = ("test", f"test - {first}") if evaluated else ()
    headings = (f"validation - {first}", *tested, "p") if of_test else (f"validation - {first}", "p", *tested)
    table = _table(*headings)
    for rate, row in rates.items():
        shown = row if evaluated else row[1:]
        for place, result in enumerate(shown):
            p_value = "same trials" if result.same_trials else ""
            if math.isfinite(result.p_value):
                p_value = show_p(result.p_value)
            spec = result.entry.configurations[0].measure.spec
            tests = [_shown(result.test, spec), _shown(result.test_difference, f"+{spec}")]
            after = [*tests, p_value] if of_test else [p_value, *(tests if evaluated else [])]
            cells = [_shown(result.difference, f"+{spec}"), *after]
            table.add_row(_rate(rate) if place == 0 else "", marks[result.entry.label], *cells)
        if evaluated:
            table.add_row()
    return table


def _settings_table(found: StudyComparison, marks: Mapping[str, str]) -> Table:
    table = Table(title="what differs", title_justify="left", box=None, header_style="dim", pad_edge=False)
    table.add_column("setting")
    for entry in found.entries:
        table.add_column(marks[entry.label], overflow="fold")
    for name, values in found.differences.items():
        table.add_row(name, *map(escape, values))
    return table


def _rate(rate: Decimal | None) -> str:
    return "dense" if rate is None else str(rate)


def _shown(found: Interval | None, spec: str) -> str:
    """A mean with its interval; a single value as it is."""
    return "" if found is None else interval_text(found, spec)
