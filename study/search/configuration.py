"""A configuration in a running study: what was proposed, and which seeds it has and may have."""

from dataclasses import dataclass, field
from typing import Any

from optuna.trial import Trial

from cops_core.config import TrialConfig
from study.records.trial import COMPARABLE, StudyTrial
from study.search.slots import Slot


@dataclass
class Configuration:
    """One proposal and its trials.

    Attributes:
        number: Its place in the study, from 0 on.
        slot: The slot that it belongs to.
        config: The configuration without a seed; the dense network if the space rejected the parameters.
        parameters: What the sampler proposed.
        optuna_trial: The sampler's trial; None for a configuration that no sampler proposed.
        granted: The number of seeds that it may have so far.
        trials: Its trials, by seed index.
        rejected: Why the space rejected the parameters; empty if it did not.
        finished: Whether all of its trials have ended, and it gets no further one.
    """

    number: int
    slot: Slot
    config: TrialConfig
    parameters: dict[str, Any] = field(default_factory=dict)
    optuna_trial: Trial | None = None
    granted: int = 1
    trials: list[StudyTrial] = field(default_factory=list)
    rejected: str = ""
    finished: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every trial ran to its end, so that the configuration may be chosen."""
        return self.finished and 0 < len(self.accuracies) == len(self.trials) == self.granted

    @property
    def accuracies(self) -> dict[int, float]:
        """The accuracies of the trials that ran to their end, by seed index.

        Of another measure they are the values as numbers of which more is better, see `Measure.quality`.
        """
        return {
            trial.seed_index: trial.measure.quality(trial.accuracy)
            for trial in self.trials
            if trial.status in COMPARABLE
        }
