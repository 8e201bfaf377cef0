"""The text of a table, which is the same in the terminal, in Markdown and in LaTeX."""

import math
from collections.abc import Sequence

from search_spaces.presets.base import Preset
from study.analysis.statistics import Interval
from study.papers.table.cell import NOT_RUN, Cell, PublishedComparison
from study.papers.table.table import PaperTable
from study.papers.table.verdict import FACTOR_TOLERANCE, written

NO_FIGURE = "no published figure"


def recipe(preset: Preset) -> str:
    """How the networks of a preset are trained, in one line."""
    training = preset.training
    rate = f"learning rate {training.learning_rate:g}"
    if training.schedule == "step":
        rate += f" times {training.step_factor:g} every {training.step_every:,} iterations"
    elif training.schedule == "cosine":
        rate += " on a cosine"
    parts = (
        f"{training.epochs} epoch{'s' if training.epochs > 1 else ''}",
        f"batches of {training.batch_size}",
        rate,
        f"momentum {training.momentum:g}",
        f"weight decay {training.weight_decay:g}",
        preset.initialization,
        f"augmentation {training.augmentation}",
        f"{preset.validation_fraction:%} held out",
        f"{preset.seeds} seed{'s' if preset.seeds > 1 else ''}",
    )
    return ", ".join(parts)


def heading(table: PaperTable) -> list[str]:
    """The lines above the table: its title, its training, its differences from the preset."""
    lines = [f"{table.preset.title}: {recipe(table.asked)}."]
    if table.differences:
        schedule = (
            " The schedule's steps come at the same shares of the training."
            if table.shortened and table.asked.training.schedule == "step"
            else ""
        )
        lines.append(f"Not as in the preset: {', '.join(table.differences)}.{schedule}")
    if table.missing:
        lines.append(f"Not run: {table.missing} of {table.asked.trials} trials.")
    return lines


def dense_line(table: PaperTable) -> str:
    """The cell of the dense network, in one line."""
    sizes = [t.facts["parameters"] for t in table.dense.trials.values() if t.facts is not None]
    size = f", {sizes[0]:,} parameters" if sizes else ""
    return f"Dense: {'; '.join(cell_lines(table, table.dense))}{size}."


def foot(table: PaperTable) -> list[str]:
    """The lines below the table: units, the meaning of the verdicts, sources."""
    lines = ["Test accuracy in %, mean ± 95 % interval (seeds)."]
    found = [one for cell in table.everything for one in table.figures(cell)]
    if not found:
        return [*lines, "There is no published figure for any cell."]
    tolerance = table.preset.tolerance
    points = f"{tolerance:g} point{'' if tolerance == 1 else 's'}"
    lines.append(
        f"A verdict compares the whole interval. agrees: within {points} of the published"
        " figure; above, below: outside of that; undecided: partly. A factor agrees within"
        f" {FACTOR_TOLERANCE:g}."
    )
    return [*lines, *(f"Published: {source}." for source in dict.fromkeys(one.source for one in found))]


def cell_lines(table: PaperTable, cell: Cell) -> list[str]:
    """A cell as lines: our mean, its notes, the published figures with the verdicts."""
    comparisons = table.comparisons(cell)
    return [
        NOT_RUN if cell.interval is None and not cell.trials else mean(cell.interval),
        *cell.notes,
        *map(comparison_line, comparisons),
        *([] if comparisons else [NO_FIGURE]),
    ]


def comparison_line(comparison: PublishedComparison) -> str:
    """`published 99.2 % of dense, ours 98.93 ± 0.20: agrees`; without ours if it is the cell's mean."""
    unit, ours = comparison.published.unit, comparison.ours
    text = f"published {written(comparison.published)}"
    if ours is not None and unit == "factor":
        text += f", ours {ours.mean:.1f}"
    elif ours is not None and unit == "share of dense":
        text += f", ours {number(ours)}"
    return text if comparison.verdict == NOT_RUN else f"{text}: {comparison.verdict}"


def mean(found: Interval | None) -> str:
    """`97.20 ± 0.10 (5)` in per cent; a single seed has no interval."""
    return "no accuracy" if found is None else f"{number(found)} ({found.count})"


def number(found: Interval, sign: str = "±") -> str:
    """`97.20 ± 0.10` in per cent."""
    width = f" {sign} {100 * found.half_width:.2f}" if math.isfinite(found.half_width) else ""
    return f"{100 * found.mean:.2f}{width}"


def factor(cells: Sequence[Cell]) -> str:
    """`1/157`: the trained share of all parameters in a row; empty if no trial has run."""
    found = next((cell.compression for cell in cells if cell.compression is not None), None)
    return "" if found is None else f"1/{found:.0f}"
