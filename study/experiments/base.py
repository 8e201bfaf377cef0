"""What an experiment is: a fixed question, and the table that answers it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from cops_core.config import Selection, Training, TrialConfig
from study.trial import StudyTrial

# Runs configurations as the study of that name, each once, however often it is called.
RunTrials = Callable[[str, Sequence[TrialConfig]], list[StudyTrial]]


@dataclass(frozen=True)
class Experiment(ABC):
    """A question's settings; the defaults are those of `docs/results.md`.

    rates: freezing rates. judge_seeds: how many seeds the answer is a mean of. seed: every other seed
    derives from it.
    """

    dataset: str = "fashion_mnist"
    model: str = "lenet_300_100"
    rates: tuple[Decimal, ...] = (Decimal("0.99"), Decimal("0.995"), Decimal("0.998"))
    training: Training = field(default_factory=lambda: Training(epochs=5))
    judge_seeds: int = 5
    seed: int = 0

    @abstractmethod
    def answer(self, run: RunTrials) -> str:
        """The results as Markdown."""

    def trial(self, selection: Selection, rate: Decimal, seed: int) -> TrialConfig:
        """A pruned trial of this experiment."""
        return TrialConfig(
            dataset=self.dataset,
            model=self.model,
            seed=seed,
            arm="prune",
            selection=selection,
            density=1 - rate,
            training=self.training,
        )


def rate_of(trial: StudyTrial) -> Decimal:
    """The freezing rate of a trial that has a density."""
    assert trial.config.density is not None
    return 1 - trial.config.density
