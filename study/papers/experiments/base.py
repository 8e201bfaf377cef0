"""An experiment: a fixed question, and the tables that answer it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Protocol, Self

from cops_core.config import Training, TrialConfig
from search_spaces.base import SearchSpace
from search_spaces.question import Compare
from study.records.trial import StudyTrial


class RunParts(Protocol):
    """Runs the parts of an experiment, each as a study. What is finished is not run again."""

    def trials(self, part: str, configs: Sequence[TrialConfig]) -> list[StudyTrial]:
        """Run configurations.

        Args:
            part: The part's name.
            configs: With their seeds.

        Returns:
            The trials, in the order of `configs`.
        """

    def compare(
        self, part: str, space: SearchSpace, question: Compare, values: Mapping[str, Any]
    ) -> list[StudyTrial]:
        """Compare the methods of a space.

        Args:
            part: The part's name.
            space: The space.
            question: The rates and seeds.
            values: Other settings of the study by name.

        Returns:
            All trials of the study, judged ones among them.
        """


@dataclass(frozen=True)
class ExperimentResult:
    """The results of an experiment.

    Attributes:
        markdown: Tables and text.
        figures: PNG files by name.
    """

    markdown: str
    figures: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentChanges:
    """What a user changes in an experiment; None keeps the experiment's own value.

    Attributes:
        dataset: A registered data set.
        model: A registered network.
        seeds: Evaluation seeds.
        epochs: Epochs of each trial.
        rates: Freezing rates in (0, 1).
    """

    dataset: str | None = None
    model: str | None = None
    seeds: int | None = None
    epochs: int | None = None
    rates: tuple[Decimal, ...] | None = None


@dataclass(frozen=True)
class Experiment(ABC):
    """The settings of a fixed question; the defaults are those of `docs/results.md`.

    Attributes:
        dataset: A registered data set.
        model: A registered network.
        rates: Freezing rates in (0, 1).
        training: How each network is trained.
        evaluation_seeds: How many seeds each mean on the test images has.
        seed: Every other seed is derived from it.
    """

    dataset: str = "fashion_mnist"
    model: str = "lenet_300_100"
    rates: tuple[Decimal, ...] = (Decimal("0.99"), Decimal("0.995"), Decimal("0.998"))
    training: Training = field(default_factory=lambda: Training(epochs=5))
    evaluation_seeds: int = 5
    seed: int = 0

    @abstractmethod
    def answer(self, run: RunParts) -> ExperimentResult:
        """Run the trials that the question needs, and return the results."""

    def changed(self, changes: ExperimentChanges) -> Self:
        """A copy of this experiment with these changes."""
        epochs = changes.epochs or self.training.epochs
        return replace(
            self,
            dataset=changes.dataset or self.dataset,
            model=changes.model or self.model,
            evaluation_seeds=changes.seeds or self.evaluation_seeds,
            training=self.training.model_copy(update={"epochs": epochs}),
            rates=changes.rates or self.rates,
        )


def tested(trial: StudyTrial) -> float:
    """The test accuracy of a trial that has ended and was evaluated on the test images."""
    assert trial.test_accuracy is not None
    return trial.test_accuracy
