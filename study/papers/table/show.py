"""The table in a terminal: as many columns as fit, the others in further tables below."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from study.papers.table.cell import Cell
from study.papers.table.table import PaperTable
from study.papers.table.words import cell_lines, dense_line, factor, foot, heading

# Wide enough for `no published figure` and for a mean with interval and seeds.
COLUMN = 22  # with the gap before it
ROW_HEADINGS = 14  # rate and trained


def print_table(console: Console, table: PaperTable) -> None:
    """Print the table, for any width of the terminal."""
    for line in [*heading(table), dense_line(table)]:
        console.print(line, highlight=False, markup=False)
    for part in blocks(list(table.asked.methods), (console.width - ROW_HEADINGS) // COLUMN):
        console.print()
        console.print(_block(table, part))
    for line in foot(table):
        console.print(line, highlight=False, markup=False, style="dim")


def blocks(methods: Sequence[str], width: int) -> list[list[str]]:
    """The methods in blocks of at most `width`, which is at least 1."""
    width = max(1, width)
    return [list(methods[start : start + width]) for start in range(0, len(methods), width)]


def _block(table: PaperTable, methods: Sequence[str]) -> Table:
    shown = Table(box=None, header_style="dim", pad_edge=False)
    shown.add_column("rate", no_wrap=True)
    shown.add_column("trained", no_wrap=True)
    for method in methods:
        shown.add_column(escape(method), width=COLUMN - 2, overflow="fold")
    for index, rate in enumerate(table.asked.rates):
        if index:
            shown.add_row()
        cells = [table.cells[rate, method] for method in methods]
        shown.add_row(str(rate), factor(table.row(rate)), *(_text(table, cell) for cell in cells))
    return shown


def _text(table: PaperTable, cell: Cell) -> str:
    return escape("\n".join(cell_lines(table, cell)))
