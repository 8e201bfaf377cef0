"""A configuration while its study runs: what was proposed, and which seeds it has and may have."""

from dataclasses import dataclass, field
from typing import Any

from optuna.trial import Trial

from cops_core.config import TrialConfig
from study.records.trial import COMPARABLE, StudyTrial
from study.search.slots import Slot


@dataclass
class Configuration:
    """One proposal and its trials, by seed index.

    config: without a seed. asked: the sampler's trial, None for one outside its history.
    granted: how many seeds it may have so far. finished: whether all of them have ended.
    """

    number: int
    slot: Slot
    config: TrialConfig
    parameters: dict[str, Any] = field(default_factory=dict)
    asked: Trial | None = None
    granted: int = 1
    trials: list[StudyTrial] = field(default_factory=list)
    finished: bool = False

    @property
    def accuracies(self) -> dict[int, float]:
        """Of the trials that ran to their end, by seed index."""
        return {trial.seed_index: trial.accuracy for trial in self.trials if trial.status in COMPARABLE}
