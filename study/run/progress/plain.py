"""Plain lines, for an output that is not a terminal: a file, a pipe, a batch system's log."""

from collections.abc import Sequence

from rich.console import Console

from study.records.trial import FAILURES, StudyTrial
from study.run.progress.base import Lines, View
from study.run.progress.tally import Tally
from study.run.progress.words import accuracy, counts, elapsed, failure, name, time_left, totals

# A study of at most MOST_LINES trials has a line for each ended trial. A larger one has a line with totals,
# at most every TOTALS_S seconds: 2,880 lines a day.
MOST_LINES = 200
TOTALS_S = 30.0
MOST_FAILURES = 100  # with a line each


class PlainLines(View):
    """Prints a line for each ended trial, or totals from time to time; and each failure immediately.

    Args:
        console: Where the lines are printed.
        study: The study's name.
        tally: The state of the study. It must receive each event before this view.
    """

    def __init__(self, console: Console, study: str, tally: Tally) -> None:
        self._console = console
        self._study = study
        self._tally = tally
        self._lines = Lines(console.file)
        self._each = True
        self._printed_at, self._new = 0.0, False
        self._failures = 0

    def __exit__(self, *exception: object) -> None:
        if self._new:
            self._print_totals()

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """Decide by the size of the study what has a line."""
        self._each = self._tally.size <= MOST_LINES

    def say(self, line: str) -> None:
        """Print the line."""
        if not self._console.quiet:
            self._lines.write(line)

    def lost(self, trial: StudyTrial, reason: str) -> None:
        """Print that the trial will be resumed elsewhere, and why."""
        self._fail(failure(trial, "will be resumed elsewhere", reason))

    def ended(self, trial: StudyTrial) -> None:
        """Print how the trial ended; in a large study only if it failed."""
        if trial.status in FAILURES:
            self._fail(failure(trial, trial.status, trial.reason))
        elif self._each and trial.has_ended:
            self.say(self._end(trial))
        self._new = self._new or not self._each

    def tick(self) -> None:
        """Print totals from time to time."""
        if self._new and self._tally.seconds - self._printed_at >= TOTALS_S:
            self._print_totals()

    def _end(self, trial: StudyTrial) -> str:
        seconds = "reused" if trial.reused_from else f"{(trial.ended or trial.started) - trial.started:.1f} s"
        count = len(str(self._tally.size))
        left = time_left(self._tally.left)
        return (
            f"{totals(self._tally):>{2 * count + 1}}  {trial.status:<10}  {accuracy(trial):>7}  {seconds:>8}"
            f"  {name(trial)}{f'  ({left})' if left else ''}"
        )

    def _print_totals(self) -> None:
        tally = self._tally
        self._printed_at, self._new = tally.seconds, False
        best = max((each.result for each in tally.best), key=lambda found: found.quality, default=None)
        parts = (
            f"{totals(tally)} after {elapsed(tally)}: {counts(tally.status, tally.reused)}",
            "" if best is None else f"best {best.shown_mean} {best.title}",
            time_left(tally.left),
        )
        self.say("; ".join(part for part in parts if part))

    def _fail(self, line: str) -> None:
        self._failures += 1
        if self._failures <= MOST_FAILURES:
            self.say(line)
        if self._failures == MOST_FAILURES:
            self.say(f"further failures are not printed: see cops status {self._study}")
