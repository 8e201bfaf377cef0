"""The table as files: Markdown, LaTeX, and Parquet with a row for each cell and published figure."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from study.analysis.statistics import Interval
from study.papers.table.cell import NOT_RUN, Cell, PublishedComparison
from study.papers.table.show import blocks
from study.papers.table.table import PaperTable
from study.papers.table.verdict import written
from study.papers.table.words import NO_FIGURE, cell_lines, dense_line, factor, foot, heading, number
from study.records.frames import make_frame
from study.views.markdown import markdown_table
from study.views.report.tables import escape, latex, parquet

# Columns of methods that a page has room for.
PAGE = 4
COLUMNS: Mapping[str, str] = {
    "preset": "string",
    "paper": "string",
    "model": "string",
    "dataset": "string",
    "method": "string",
    "rate": "string",
    "accuracy": "double",
    "half_width": "double",
    "seeds": "int64",
    "seeds_asked": "int64",
    "collapsed": "int64",
    "diverged": "int64",
    "compression": "double",
    "epochs": "int64",
    "preset_epochs": "int64",
    "published": "double",
    "unit": "string",
    "ours": "double",
    "ours_half_width": "double",
    "tolerance_points": "double",
    "verdict": "string",
    "source": "string",
}


def table_files(table: PaperTable) -> dict[str, bytes]:
    """The content of every file, by name."""
    return {
        "table.md": markdown(table).encode(),
        "table.tex": tex(table),
        "table.parquet": parquet(make_frame(list(rows(table)), dict(COLUMNS))),
    }


def markdown(table: PaperTable) -> str:
    """The table as Markdown, with a row for each rate and a column for each method."""
    columns = ["rate", "trained", *table.asked.methods]
    cells = [
        [str(rate), factor(row), *("; ".join(cell_lines(table, cell)) for cell in row)]
        for rate in table.asked.rates
        if (row := table.row(rate))
    ]
    lines = [
        f"### {table.preset.name}",
        "",
        *(line for text in [*heading(table), dense_line(table)] for line in (text, "")),
        *markdown_table(columns, cells),
        "",
        *(line for text in foot(table) for line in (text, "")),
    ]
    return "\n".join(lines)


def rows(table: PaperTable) -> Iterator[dict[str, Any]]:
    """The rows of the Parquet file, with the keys of `COLUMNS`; a missing value is null.

    A cell has a row for each of its published figures, or one row if there is none. `accuracy` is in [0, 1];
    `published` and `ours` are in the figure's unit. A single seed has no half width.
    """
    for cell in table.everything:
        plain = _plain(table, cell)
        comparisons = table.comparisons(cell)
        if not comparisons:
            yield plain | {"verdict": NO_FIGURE if cell.trials else f"{NOT_RUN}, {NO_FIGURE}"}
        for comparison in comparisons:
            yield plain | _published(comparison, table.preset.tolerance)


def _plain(table: PaperTable, cell: Cell) -> dict[str, Any]:
    preset = table.preset
    return {
        "preset": preset.name,
        "paper": preset.paper,
        "model": preset.model,
        "dataset": preset.dataset,
        "method": cell.method,
        "rate": None if cell.rate is None else str(cell.rate),
        **_interval("accuracy", "half_width", cell.interval),
        "seeds": len(cell.trials),
        "seeds_asked": cell.wanted,
        "collapsed": cell.collapsed,
        "diverged": cell.lost,
        "compression": cell.compression,
        "epochs": table.asked.training.epochs,
        "preset_epochs": preset.training.epochs,
    }


def _published(comparison: PublishedComparison, points: float) -> dict[str, Any]:
    return {
        "published": comparison.published.value,
        "unit": comparison.published.unit,
        **_interval("ours", "ours_half_width", comparison.ours),
        "tolerance_points": points,
        "verdict": comparison.verdict,
        "source": comparison.published.source,
    }


def _interval(mean: str, half_width: str, found: Interval | None) -> dict[str, float | None]:
    if found is None:
        return {mean: None, half_width: None}
    return {mean: found.mean, half_width: found.half_width if math.isfinite(found.half_width) else None}


def tex(table: PaperTable) -> bytes:
    """The table as LaTeX: tables with the rules of booktabs, each with at most `PAGE` methods.

    Below each row of means are rows with the published figures and the verdicts.
    """
    parts = blocks(list(table.asked.methods), PAGE)
    caption = " ".join([*heading(table), dense_line(table), *foot(table), f"--: {NO_FIGURE}."])
    found = []
    for index, part in enumerate(parts, start=1):
        rest = f"{table.preset.title}, continued." if index > 1 else caption
        lines = [
            line
            for rate in table.asked.rates
            for line in _tex_rows(table, [table.cells[rate, m] for m in part])
        ]
        columns = {"rate": "string", **{escape(method): "string" for method in part}}
        cells = [dict(zip(columns, line, strict=True)) for line in lines]
        shown = make_frame(cells, columns)
        found.append(latex(shown, rest, f"{table.preset.name}-{index}", "l" + "l" * len(part)))
    return b"\n".join(found)


def _tex_rows(table: PaperTable, cells: list[Cell]) -> Iterator[list[str]]:
    yield [str(cells[0].rate), *map(_tex_mean, cells)]
    comparisons = [table.comparisons(cell) for cell in cells]
    for line in range(max(map(len, comparisons))):
        yield [
            "published",
            *(_tex_comparison(each[line]) if line < len(each) else "--" for each in comparisons),
        ]
    if not any(comparisons):
        yield ["published", *("--" for _ in cells)]


def _tex_mean(cell: Cell) -> str:
    notes = "".join(f", {note}" for note in cell.notes)
    if cell.interval is None:
        return escape(("no accuracy" if cell.trials else NOT_RUN) + notes)
    return f"${number(cell.interval, sign=chr(92) + 'pm')}$ ({cell.interval.count}){escape(notes)}"


def _tex_comparison(comparison: PublishedComparison) -> str:
    return escape(f"{written(comparison.published)}: {comparison.verdict}")
