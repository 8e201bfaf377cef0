"""The table of a preset: its recorded trials, and how it differs from the preset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from search_spaces.presets.base import Preset, PublishedValue
from study.papers.table.cell import Cell, PublishedComparison, cell_of, compare_cell, with_results
from study.records.trial import StudyTrial


@dataclass(frozen=True)
class PaperTable:
    """The table of a preset.

    Attributes:
        preset: The published setting.
        asked: The preset with the epochs, seeds and rates of this table.
        dense: The cell of the dense network.
        cells: The other cells, by rate and method.
    """

    preset: Preset
    asked: Preset
    dense: Cell
    cells: Mapping[tuple[Decimal, str], Cell]

    def row(self, rate: Decimal) -> list[Cell]:
        """The cells of a rate, in the order of the methods."""
        return [self.cells[rate, method] for method in self.asked.methods]

    @property
    def everything(self) -> list[Cell]:
        """All cells, the dense one first."""
        return [self.dense, *self.cells.values()]

    @property
    def missing(self) -> int:
        """How many trials have no result yet."""
        return sum(cell.wanted - len(cell.trials) for cell in self.everything)

    @property
    def shortened(self) -> str:
        """`5 of 250 epochs` if the training is not the preset's, which allows no verdict; else empty."""
        epochs, paper = self.asked.training.epochs, self.preset.training.epochs
        return "" if epochs == paper else f"{epochs} of {paper} epochs"

    @property
    def differences(self) -> list[str]:
        """How the table differs from the preset, a phrase for each difference."""
        seeds, own = self.asked.seeds, self.preset.seeds
        rates, all_rates = len(self.asked.rates), len(self.preset.rates)
        return [
            *([self.shortened] if self.shortened else []),
            *([f"{seeds} seed{'s' if seeds > 1 else ''} for {own}"] if seeds != own else []),
            *([f"{rates} of {all_rates} rates"] if rates != all_rates else []),
        ]

    def comparisons(self, cell: Cell) -> list[PublishedComparison]:
        """A cell compared with each figure that was published for it."""
        return [
            compare_cell(cell, self.dense, figure, self.preset.tolerance, self.shortened)
            for figure in self.figures(cell)
        ]

    def figures(self, cell: Cell) -> list[PublishedValue]:
        """The figures that were published for a cell; none for the dense network."""
        return [] if cell.rate is None else self.preset.figures(cell.method, cell.rate)


def make_table(preset: Preset, asked: Preset, trials: Sequence[StudyTrial]) -> PaperTable:
    """Make the table of the recorded trials.

    Args:
        preset: The published setting.
        asked: The preset with the epochs, seeds and rates of the table.
        trials: Of the table's study, in any order.
    """
    known = with_results(trials)
    cells = {
        (rate, method): cell_of(method, rate, asked.cell(method, rate), known)
        for rate, method in asked.cells()
    }
    return PaperTable(preset, asked, cell_of("dense", None, asked.dense(), known), cells)
