"""The table of a preset: what was asked, what is recorded of it, what differs from the preset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from search_spaces.presets.base import Preset, PublishedValue
from study.papers.table.cell import Cell, Held, cell_of, hold, with_results
from study.records.trial import StudyTrial


@dataclass(frozen=True)
class PaperTable:
    """A preset's table. preset: as it stands. asked: with the epochs, seeds and rates that were run."""

    preset: Preset
    asked: Preset
    dense: Cell
    cells: Mapping[tuple[Decimal, str], Cell]

    def row(self, rate: Decimal) -> list[Cell]:
        """The cells at a rate, in the order of the methods."""
        return [self.cells[rate, method] for method in self.asked.methods]

    @property
    def everything(self) -> list[Cell]:
        """Every cell, the dense one first."""
        return [self.dense, *self.cells.values()]

    @property
    def missing(self) -> int:
        """How many trials have no result yet."""
        return sum(cell.wanted - len(cell.trials) for cell in self.everything)

    @property
    def shortened(self) -> str:
        """`5 of 250 epochs` where the training is another; a verdict would then be a false one."""
        epochs, paper = self.asked.training.epochs, self.preset.training.epochs
        return "" if epochs == paper else f"{epochs} of {paper} epochs"

    @property
    def differences(self) -> list[str]:
        """What is asked otherwise than the preset has it, a phrase each."""
        seeds, own = self.asked.seeds, self.preset.seeds
        rates, all_rates = len(self.asked.rates), len(self.preset.rates)
        return [
            *([self.shortened] if self.shortened else []),
            *([f"{seeds} seed{'s' if seeds > 1 else ''} for {own}"] if seeds != own else []),
            *([f"{rates} of {all_rates} rates"] if rates != all_rates else []),
        ]

    def held(self, cell: Cell) -> list[Held]:
        """A cell against each figure that was published of it."""
        return [
            hold(cell, self.dense, one, self.preset.tolerance, self.shortened) for one in self.figures(cell)
        ]

    def figures(self, cell: Cell) -> list[PublishedValue]:
        """What was published of a cell; of the dense network we hold nothing."""
        return [] if cell.rate is None else self.preset.figures(cell.method, cell.rate)


def make_table(preset: Preset, asked: Preset, trials: Sequence[StudyTrial]) -> PaperTable:
    """The table of what is recorded. trials: of the table's study, in any order."""
    known = with_results(trials)
    cells = {
        (rate, method): cell_of(method, rate, asked.cell(method, rate), known)
        for rate, method in asked.cells()
    }
    return PaperTable(preset, asked, cell_of("dense", None, asked.dense(), known), cells)
