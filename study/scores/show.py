"""Prints the tables of a comparison in a terminal."""

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from cops_core.collapse import Connectivity
from cops_core.compare import LEVELS
from study.console import print_line
from study.scores.compare import Floats, MaskComparison, ScoreComparison

MOST_LAYERS = 10
"""For networks with more layers, the densities by layer are only in the figure and the Parquet table."""

MIDDLE = LEVELS.index(0.5)

Cells = Sequence[Sequence[str]]


def show_comparison(console: Console, comparison: ScoreComparison) -> None:
    """Print all tables of a comparison."""
    for title, table in _tables(comparison):
        print_line(console, title, "italic")
        console.print(table)
        console.print()


def two_digits(value: float) -> str:
    """A number as `0.12`, never `-0.00`; a dash for NaN and infinity."""
    return f"{round(value, 2) + 0.0:.2f}" if math.isfinite(value) else "-"


def layer_name(parameter: str) -> str:
    """The name of a layer: `fc1` for the parameter `fc1.weight`."""
    return parameter.removesuffix(".weight")


def _tables(comparison: ScoreComparison) -> Iterator[tuple[str, Table]]:
    scores, densities = comparison.scores, comparison.densities
    table = _table(("score",), scores)
    for name, row in zip(scores, comparison.ranks, strict=True):
        table.add_row(name, *map(two_digits, row))
    yield "rank correlation (Spearman) over all weights", table

    headings = ("effective", "sparsest layer", "kept of it")
    cells = [_mask_cells(comparison, number) for number in range(len(densities))]
    table = _by_density(comparison, "score", headings, cells)
    yield "masks, one-shot; effective: density of the kept weights on an input-output path", table

    if len(comparison.sizes) <= MOST_LAYERS:
        layers = [layer_name(name) for name in comparison.sizes]
        cells = [[[_share(d) for d in row] for row in table] for table in comparison.layer_densities]
        yield "kept weights of each layer", _by_density(comparison, "score", layers, cells)

    cells = [[[*map(two_digits, row), f"{at.chance_overlap:.2g}"] for row in at.overlap] for at in densities]
    table = _by_density(comparison, "score", (*scores, "by chance"), cells)
    yield "overlap of two masks (Jaccard)", table

    cells = [_two_digits(at.kept.above_chance) for at in densities]
    table = _by_density(comparison, "mask of", scores, cells)
    yield "what each mask keeps of each score; 0: like a random mask, 1: like the best mask", table

    cells = [_two_digits(_at_middle(comparison, at)) for at in densities]
    table = _by_density(comparison, "target", scores, cells)
    yield "what COPS keeps of each target on the same scale, with a control at level 0.5", table


def _mask_cells(comparison: ScoreComparison, number: int) -> Cells:
    at, densities = comparison.densities[number], comparison.layer_densities[number]
    cells = []
    for found, row in zip(at.connections, densities, strict=True):
        lowest = int(np.argmin(row))
        emptiest = layer_name(list(comparison.sizes)[lowest])
        cells.append(
            [
                "unknown" if found.effective_density is None else _share(found.effective_density),
                emptiest,
                _share(row[lowest]),
                _verdict(found),
            ]
        )
    return cells


def _verdict(found: Connectivity) -> str:
    """A warning if the mask collapses the network or disconnects a shortcut."""
    if found.collapsed:
        return "[red]collapsed[/]"
    return "shortcut lost" if found.disconnected_shortcuts else ""


def _at_middle(comparison: ScoreComparison, at: MaskComparison) -> Floats:
    """What is kept of each target (rows) with each control (columns) at level 0.5, shape (S, S)."""
    kept = np.full((len(comparison.scores), len(comparison.scores)), np.nan)
    for i, target in enumerate(comparison.scores):
        for j, control in enumerate(comparison.scores):
            if i != j:
                kept[i, j] = at.prices[target, control].target_above_chance[MIDDLE]
    return kept


def _by_density(
    comparison: ScoreComparison, corner: str, headings: Sequence[str], cells: Sequence[Cells]
) -> Table:
    """A table with a block of rows for each density, and a row for each score.

    Cells beyond the headings are a last column of text.
    """
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
    """An empty table. names: headings of text columns. numbers: headings of number columns."""
    table = Table(box=None, header_style="dim", pad_edge=False)
    for heading in names:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", overflow="fold")
    return table


def _two_digits(matrix: Floats) -> Cells:
    return [[two_digits(value) for value in row] for row in matrix]


def _share(share: float) -> str:
    """A share as `0.12%` or `0.004%`; `none` only for exactly 0."""
    if share == 0:
        return "none"
    return f"{share:.2%}" if share >= 1e-4 else f"{100 * share:.1g}%"
