"""Whoever watches a study: what writes records, MLflow runs, the terminal."""

from collections.abc import Sequence

from study.ledger.trial import StudyTrial


class Observer:
    """Watches a study. Every method is called in the driver, and must be quick."""

    def resumed(self, trials: Sequence[StudyTrial]) -> None:
        """These trials are there from before; those that were still running will go on."""

    def started(self, trial: StudyTrial) -> None:
        """A trial has been handed out."""

    def reported(self, trial: StudyTrial, row: dict[str, float]) -> None:
        """A trial has finished an epoch."""

    def ended(self, trial: StudyTrial) -> None:
        """A trial has ended, for whatever reason; nothing more will come from it."""

    def tick(self) -> None:
        """Time has passed."""
