"""How the run of a study ended."""

from dataclasses import dataclass

from rich.console import Console

from study.console import print_line
from study.run.study_run import StudyRun

# Exit codes: every trial has a result; trials failed or are missing; Ctrl-C was pressed twice.
COMPLETE, INCOMPLETE, ABORTED = 0, 1, 130


@dataclass(frozen=True)
class StudyOutcome:
    """A study after its run.

    Attributes:
        run: The study, with all its trials.
        problems: What could not be written, a line for each problem.
        aborted: Whether Ctrl-C was pressed twice.
    """

    run: StudyRun
    problems: list[str]
    aborted: bool = False

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        if self.aborted:
            return ABORTED
        return COMPLETE if self.complete else INCOMPLETE

    @property
    def complete(self) -> bool:
        """Whether every trial has a result or was stopped by its race, and everything is written."""
        return self.run.complete and not self.problems

    def print_problems(self, console: Console) -> None:
        """Print each problem on one line."""
        for problem in self.problems:
            print_line(console, problem, "yellow")
