"""Whoever watches a study: what writes records, MLflow runs, the terminal."""

from collections.abc import Sequence

from cops_core.facts import MetricRow
from study.records.trial import StudyTrial


class Observer:
    """Watches a study. Every method is called in the driver, and must be quick."""

    def recalled(self, trials: Sequence[StudyTrial]) -> None:
        """These trials are there from before; those that were still running will go on."""

    def started(self, trial: StudyTrial) -> None:
        """A trial has been handed out."""

    def lost(self, trial: StudyTrial, reason: str) -> None:
        """A trial has lost its place, for a reason that is not its own end; it will go on elsewhere."""

    def resumed(self, trial: StudyTrial) -> None:
        """A trial that was there from before, or had lost its place, has been handed out again."""

    def reported(self, trial: StudyTrial, row: MetricRow) -> None:
        """A trial has finished an epoch."""

    def ended(self, trial: StudyTrial) -> None:
        """A trial has ended, for whatever reason; nothing more will come from it."""

    def tick(self) -> None:
        """Time has passed."""
