"""What an experiment is: a fixed question, and the table that answers it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Self

from cops_core.config import Training, TrialConfig
from study.records.trial import StudyTrial

# Runs configurations as the study of that name, each once, however often it is called.
RunTrials = Callable[[str, Sequence[TrialConfig]], list[StudyTrial]]


@dataclass(frozen=True)
class Answer:
    """The results as Markdown, and figures (PNG) by file name."""

    markdown: str
    figures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What a user wants otherwise than an experiment's defaults; None leaves it to the experiment."""

    dataset: str | None = None
    model: str | None = None
    seeds: int | None = None
    epochs: int | None = None
    rates: tuple[Decimal, ...] | None = None


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
    def answer(self, run: RunTrials) -> Answer:
        """Run what the question needs."""

    def changed(self, asked: Asked) -> Self:
        """This experiment with some of its settings changed."""
        epochs = asked.epochs or self.training.epochs
        return replace(
            self,
            dataset=asked.dataset or self.dataset,
            model=asked.model or self.model,
            judge_seeds=asked.seeds or self.judge_seeds,
            training=self.training.model_copy(update={"epochs": epochs}),
            rates=asked.rates or self.rates,
        )


def tested(trial: StudyTrial) -> float:
    """The test accuracy of a trial that asked for it, and has ended."""
    assert trial.test_accuracy is not None
    return trial.test_accuracy
