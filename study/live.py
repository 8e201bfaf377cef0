"""What a person sees while a study runs: progress, time left, the best of each method, what runs."""

import time
from collections.abc import Sequence

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
from rich.text import Text

from study.configurations import best_per_method, by_configuration
from study.ledger.trial import OPEN, StudyTrial
from study.observer import Observer
from study.tables import best_table

REFRESH_S = 0.5
MOST_METHODS = 12


class LiveView(Observer):
    """One live view in a terminal; nothing where the output is not one. Use it in `with`.

    total: trials in all, at most: a race may leave out seeds. A study that ends with fewer is done.
    """

    def __init__(self, console: Console, name: str, total: int) -> None:
        self._trials: dict[int, StudyTrial] = {}
        self._over: set[int] = set()  # the numbers of those that are
        self._best: Table | None = None  # of the trials that are over; drawn anew when one more is
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
            if not any(trial.status in OPEN for trial in self._trials.values()):
                self._progress.update(self._task, total=len(self._over))
            self._draw()
            self._live.stop()

    def resumed(self, trials: Sequence[StudyTrial]) -> None:
        """Show trials from before; those that are over move the progress, without changing its pace."""
        for trial in trials:
            self._note(trial)
        self._progress.reset(self._task, completed=len(self._over))

    def started(self, trial: StudyTrial) -> None:
        """Show the trial among those that run."""
        self._trials[trial.number] = trial

    def ended(self, trial: StudyTrial) -> None:
        """Move the progress on, unless a resumed study goes on with the trial."""
        self._note(trial)
        self._progress.update(self._task, completed=len(self._over))

    def tick(self) -> None:
        """Draw anew, at most twice a second."""
        if self._live is not None and time.monotonic() - self._drawn > REFRESH_S:
            self._draw()

    def _note(self, trial: StudyTrial) -> None:
        self._trials[trial.number] = trial
        if trial.over:
            self._over.add(trial.number)
            self._best = None

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._live is not None:
            self._live.update(self._view(), refresh=True)

    def _view(self) -> RenderableType:
        lines = [_line(trial) for trial in self._trials.values() if trial.status == "running"]
        if self._best is None and self._over:
            # Trials that run would hold back the seeds of their configuration that are over. Whoever
            # looks at p-values until one is small finds one: they wait for the end.
            over = by_configuration([self._trials[number] for number in self._over])
            best = best_per_method(over)[:MOST_METHODS]
            self._best = best_table(best, "best so far") if best else None
        return Group(self._progress, *lines, *([self._best] if self._best is not None else []))


def _line(trial: StudyTrial) -> Text:
    seed = f"  seed {trial.seed_index}" if trial.seed_index else ""
    accuracy = f"  {trial.accuracy:.1%}" if trial.rows else ""
    epoch = f"epoch {len(trial.rows)}/{trial.config.training.epochs}"
    return Text.assemble(
        ("  running ", "dim"), f"{trial.title}{seed}  {epoch}{accuracy}", no_wrap=True, overflow="ellipsis"
    )
