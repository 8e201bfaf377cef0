"""How the run of a study went."""

from dataclasses import dataclass

from rich.console import Console

from study.console import print_line
from study.run.study_run import StudyRun

# Exit codes: everything accounted for; something failed or was cut short; Ctrl-C twice.
COMPLETE, INCOMPLETE, ABORTED = 0, 1, 130


@dataclass(frozen=True)
class StudyOutcome:
    """A study that has been run as far as it went. problems: what could not be written, a line each.

    aborted: whether Ctrl-C was pressed twice.
    """

    run: StudyRun
    problems: list[str]
    aborted: bool = False

    @property
    def exit_code(self) -> int:
        """What the command returns."""
        if self.aborted:
            return ABORTED
        return COMPLETE if self.complete else INCOMPLETE

    @property
    def complete(self) -> bool:
        """Whether every trial came to an end of its own, and all of it is written down."""
        return self.run.complete and not self.problems

    def print_problems(self, console: Console) -> None:
        """A line each."""
        for problem in self.problems:
            print_line(console, problem, "yellow")
