"""What a person sees while a study runs: progress, time left, the best of each method, what runs."""

import time

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from study.observer import Observer
from study.results import best_per_method
from study.trial import StudyTrial

REFRESH_S = 0.5
MOST_METHODS = 12


class LiveView(Observer):
    """One live view in a terminal; nothing where the output is not one. Use it in `with`."""

    def __init__(self, console: Console, name: str, total: int) -> None:
        self._trials: list[StudyTrial] = []
        self._drawn = 0.0
        self._progress = Progress(
            TextColumn(f"[bold]{name}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials"),
            TimeElapsedColumn(),
            TextColumn("elapsed,"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
        )
        self._task = self._progress.add_task(name, total=total)
        self._live = (
            Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        )

    def __enter__(self) -> "LiveView":
        if self._live is not None:
            self._live.start()
            self._draw()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._live is not None:
            self._live.stop()

    def started(self, trial: StudyTrial) -> None:
        """Show the trial among those that run."""
        self._trials.append(trial)

    def ended(self, trial: StudyTrial) -> None:
        """Move the progress on."""
        self._progress.advance(self._task)

    def tick(self) -> None:
        """Draw anew, at most twice a second."""
        if self._live is not None and time.monotonic() - self._drawn > REFRESH_S:
            self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._live is not None:
            self._live.update(self._view(), refresh=True)

    def _view(self) -> RenderableType:
        running = [trial for trial in self._trials if trial.status == "running"]
        lines = [
            f"  [dim]running[/] {trial.title}  epoch {len(trial.rows)}/{trial.config.training.epochs}"
            + (f"  {trial.accuracy:.1%}" if trial.rows else "")
            for trial in running
        ]
        best = best_per_method(self._trials)
        table = [best_table(best[:MOST_METHODS], "best so far")] if best else []
        return Group(self._progress, *lines, *table)


def best_table(trials: list[StudyTrial], title: str) -> Table:
    """Trials as a table: one row each, in the order given, a blank line between rates.

    accuracy: on the validation part, last epoch. factor: all parameters over the trained ones.
    """
    table = Table(title=title, title_justify="left", box=None, header_style="dim", pad_edge=False)
    table.add_column("rate")
    table.add_column("method", overflow="fold")
    for heading in ("accuracy", "density", "trained", "factor", "trial"):
        table.add_column(heading, justify="right", no_wrap=True)
    for index, trial in enumerate(trials):
        if index and trial.rate != trials[index - 1].rate:
            table.add_row()
        density, counts = trial.config.density, trial.facts
        table.add_row(
            "" if density is None else str(1 - density),
            trial.title.rsplit(" q=", 1)[0] + (" (collapsed)" if trial.status == "collapsed" else ""),
            f"{trial.accuracy:.2%}",
            f"{trial.density:.4g}",
            f"{counts['trained_parameters']:,}" if counts else "",
            f"{counts['compression']:.1f}" if counts else "",
            str(trial.number),
        )
    return table
