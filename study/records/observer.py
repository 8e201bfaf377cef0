"""The base class of everything that follows a study's events: records, MLflow runs, the terminal."""

from collections.abc import Sequence

from cops_core.facts import MetricRow
from study.records.trial import StudyTrial


class Observer:
    """Receives a study's events. Every method is called in the driver, and must return quickly."""

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """These trials are recorded from earlier launches; those that had not ended will resume."""

    def started(self, trial: StudyTrial) -> None:
        """A trial has been handed out."""

    def lost(self, trial: StudyTrial, reason: str) -> None:
        """A trial has lost its worker for a reason outside of it, and will resume on another one."""

    def resumed(self, trial: StudyTrial) -> None:
        """A trial from an earlier launch, or one that had lost its worker, has been handed out again."""

    def reported(self, trial: StudyTrial, row: MetricRow) -> None:
        """A trial has finished an epoch."""

    def ended(self, trial: StudyTrial) -> None:
        """A trial has ended, for any reason; it will report nothing more."""

    def tick(self) -> None:
        """Some time has passed."""
