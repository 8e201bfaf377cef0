"""The comparison in a terminal: its tables, one after the other."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from cops_core.collapse import Connectivity
from cops_core.compare import LEVELS
from study.console import print_line
from study.scores.compare import AtDensity, Comparison, Floats

MOST_LAYERS = 10
"""Networks of more layers have their densities by layer in the figure and the Parquet table alone."""

MIDDLE = LEVELS.index(0.5)

Cells = Sequence[Sequence[str]]


def show_comparison(console: Console, comparison: Comparison) -> None:
    """Print every table of `comparison`."""
    for title, table in _tables(comparison):
        print_line(console, title, "italic")
        console.print(table)
        console.print()


def two_digits(value: float) -> str:
    """`0.12`, never `-0.00`; a dash for what is not defined."""
    return f"{round(value, 2) + 0.0:.2f}" if math.isfinite(value) else "-"


def layer_name(parameter: str) -> str:
    """`fc1` for `fc1.weight`."""
    return parameter.removesuffix(".weight")


def _tables(comparison: Comparison) -> Iterator[tuple[str, Table]]:
    scores, densities = comparison.scores, comparison.densities
    table = _table(("score",), scores)
    for name, row in zip(scores, comparison.ranks, strict=True):
        table.add_row(name, *map(two_digits, row))
    yield "rank correlation (Spearman) over all weights", table

    headings = ("effective", "emptiest layer", "of it")
    cells = [_mask_cells(comparison, number) for number in range(len(densities))]
    table = _by_density(comparison, "score", headings, cells)
    yield "masks; effective: density of the kept weights on a path from input to output", table

    if len(comparison.sizes) <= MOST_LAYERS:
        layers = [layer_name(name) for name in comparison.sizes]
        cells = [[[_share(d) for d in row] for row in table] for table in comparison.layer_densities]
        yield "kept weights of each layer", _by_density(comparison, "score", layers, cells)

    cells = [[[*map(two_digits, row), f"{at.chance_overlap:.2g}"] for row in at.overlap] for at in densities]
    table = _by_density(comparison, "score", (*scores, "by chance"), cells)
    yield "overlap of two masks (Jaccard)", table

    cells = [_two_digits(at.kept.above_chance) for at in densities]
    table = _by_density(comparison, "mask of", scores, cells)
    yield "what each mask keeps of each score, from a random mask (0) to the best one (1)", table

    cells = [_two_digits(_at_middle(comparison, at)) for at in densities]
    table = _by_density(comparison, "target", scores, cells)
    yield "what COPS keeps of each target, on the same scale, with a control at level 0.5", table


def _mask_cells(comparison: Comparison, number: int) -> Cells:
    at, densities = comparison.densities[number], comparison.layer_densities[number]
    cells = []
    for found, row in zip(at.connections, densities, strict=True):
        lowest = int(np.argmin(row))
        emptiest = layer_name(list(comparison.sizes)[lowest])
        cells.append(
            [
                _share(found.effective_density),
                emptiest,
                _share(row[lowest]),
                _verdict(found),
            ]
        )
    return cells


def _verdict(found: Connectivity) -> str:
    """What no signal gets through."""
    if found.collapsed:
        return "[red]collapsed[/]"
    return "shortcut lost" if found.disconnected_shortcuts else ""


def _at_middle(comparison: Comparison, at: AtDensity) -> Floats:
    """What is kept of each target (rows) with each control (columns) at level 0.5, shape (S, S)."""
    kept = np.full((len(comparison.scores), len(comparison.scores)), np.nan)
    for i, target in enumerate(comparison.scores):
        for j, control in enumerate(comparison.scores):
            if i != j:
                kept[i, j] = at.prices[target, control].target_above_chance[MIDDLE]
    return kept


def _by_density(
    comparison: Comparison, corner: str, headings: Sequence[str], cells: Sequence[Cells]
) -> Table:
    """A block of rows for each density, a row for each score; a column that has no heading is words."""
    table = _table(("density", corner), headings)
    if len(cells[0][0]) > len(headings):
        table.add_column("")
    for number, (at, block) in enumerate(zip(comparison.densities, cells, strict=True)):
        if number:
            table.add_row()
        for row, (score, line) in enumerate(zip(comparison.scores, block, strict=True)):
            table.add_row("" if row else f"{at.density:f}", score, *line)
    return table


def _table(names: Sequence[str], numbers: Iterable[str]) -> Table:
    """An empty table: columns of words to the left, columns of numbers to the right."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def _two_digits(matrix: Floats) -> Cells:
    return [[two_digits(value) for value in row] for row in matrix]


def _share(share: float) -> str:
    """`0.12%`, `0.004%`; `none` for what is empty, which no rounding should say of anything else."""
    if share == 0:
        return "none"
    return f"{share:.2%}" if share >= 1e-4 else f"{100 * share:.1g}%"
