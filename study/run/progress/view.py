"""The live view of a running study in a terminal."""

import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from study.records.trial import FAILURES, StudyTrial
from study.run.progress.base import View
from study.run.progress.tally import Tally
from study.run.progress.words import accuracy, counts, elapsed, failure, name, place, time_left, totals
from study.views.tables import best_table

REFRESH_S = 0.5
MOST_RUNNING = 8  # with a line each; one more line counts the others
MOST_METHODS = 12


class TerminalView(View):
    """Shows progress, remaining time, running trials and the best of each method. Failures stay above it.

    Args:
        console: The terminal.
        study: The study's name.
        tally: The state of the study. It must receive each event before this view.
    """

    def __init__(self, console: Console, study: str, tally: Tally) -> None:
        self._console = console
        self._study = study
        self._tally = tally
        self._drawn = 0.0
        # The number of ended trials in the table of the best, and the table.
        self._shown: tuple[int, Table | None] = (-1, None)
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> "TerminalView":
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.draw()
        self._live.stop()

    def say(self, line: str) -> None:
        """Print the line above the view."""
        self._print(line, "yellow")

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Show the recorded trials."""
        self.draw()

    def lost(self, trial: StudyTrial, reason: str) -> None:
        """Print that the trial will be resumed elsewhere, and why."""
        self._print(failure(trial, "will be resumed elsewhere", reason), "yellow")

    def ended(self, trial: StudyTrial) -> None:
        """Print the reason if the trial failed."""
        if trial.status in FAILURES:
            self._print(failure(trial, trial.status, trial.reason), "red")

    def tick(self) -> None:
        """Draw again, at most twice a second."""
        if time.monotonic() - self._drawn > REFRESH_S:
            self.draw()

    def _print(self, line: str, style: str) -> None:
        # One line of the terminal; `cops status` shows the complete reason.
        self._console.print(Text(line, style), no_wrap=True, overflow="ellipsis")

    def draw(self) -> None:
        """Draw now."""
        self._drawn = time.monotonic()
        self._live.update(self._view(), refresh=True)

    def _view(self) -> RenderableType:
        parts: list[RenderableType] = [self._progress()]
        status = counts(self._tally.status, self._tally.reused)
        if status:
            parts.append(Text(status, "dim", no_wrap=True, overflow="ellipsis"))
        if self._tally.running:
            parts += self._running()
        if (best := self._best()) is not None:
            parts.append(best)
        return Group(*parts)

    def _progress(self) -> Table:
        """The study's name and a bar, as far as there is room; the number of ended trials; the times."""
        tally = self._tally
        left = time_left(tally.left)
        line = Table.grid(padding=(0, 1), expand=True)
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True)
        line.add_row(
            f"[bold]{escape(self._study)}",
            ProgressBar(total=max(tally.size, 1), completed=tally.trials_ended),
            f"{totals(tally)} trials, {elapsed(tally)}{f', {left}' if left else ''}",
        )
        return line

    def _running(self) -> list[RenderableType]:
        """A line for each of the first running trials: its name, epoch, accuracy and place."""
        trials = list(self._tally.running.values())
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for _ in range(2):
            grid.add_column(no_wrap=True, justify="right")
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=28)
        for trial in trials[:MOST_RUNNING]:
            grid.add_row(
                Text("running", "dim"),
                Text(name(trial)),
                f"epoch {trial.epoch}/{trial.config.training.epochs}",
                accuracy(trial),
                Text(place(trial, with_host=self._tally.spread)),
            )
        more = len(trials) - MOST_RUNNING
        return [grid, Text(f"and {more} more", "dim")] if more > 0 else [grid]

    def _best(self) -> Table | None:
        """The best of each method, updated when a trial has ended.

        It has no p values: to test repeatedly until one is small is not valid. The summary has them.
        """
        count, table = self._shown
        if count != self._tally.trials_ended:
            best = self._tally.best[:MOST_METHODS]
            table = best_table(best, "best so far") if best else None
            self._shown = self._tally.trials_ended, table
        return table
