"""The contract of a score."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from cops_core.mask import Scores
from cops_core.scores.functional import Precision
from cops_core.scores.problem import Problem
from cops_core.scores.steps import Steps

MAX_ROUNDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Traits:
    """How a score is computed, for manifests and caches.

    Attributes:
        needs_data: Whether the values of images or labels matter.
        needs_second_derivative: Whether the network is differentiated twice.
        normalisation: The mode of the normalisation layers: "train" (statistics of the batch; the running
            ones do not change), "eval" (running statistics), or "unused" (the network is not run).
        precision: "model" (that of the model's weights) or "float64".
        signed: Whether values can be negative.
    """

    needs_data: bool
    needs_second_derivative: bool
    normalisation: Literal["train", "eval", "unused"]
    precision: Precision
    signed: bool


class Score(ABC):
    """How important each maskable weight is: weights with higher scores are kept.

    Invariants. `compute` returns a tensor for each name of `problem.network.weights`, with the weight's
    shape, on its device, detached, sharing memory with no other tensor. `compute_scores` refuses other names,
    shapes and types. Values depend only on the
    problem: they are the same at every call and, up to rounding, for every order of the batch, device and
    number of threads. They are non-negative unless `traits.signed`. They are the formula's values on the
    masked network: values of removed weights are meaningless, and the caller compares only the remaining
    weights. The model is run inside `isolated` or not at all.

    A new score is one file with one instance, and one line in `SCORES`.

    Attributes:
        published_rounds: The number of rounds with which its authors use the score, in [1, 10000].
            Search spaces use it by default, and names of methods say where a trial has another number.
        averages_batches: Whether several batches count as one of all their samples, as far as no layer
            couples these. If not, the score uses them one after the other.
    """

    published_rounds: int = 1
    averages_batches: bool = True

    @property
    @abstractmethod
    def traits(self) -> Traits:
        """How this score is computed."""

    def at_temperature(self, temperature: float) -> "Score | None":
        """The same score with another temperature, by which the logits are divided.

        Args:
            temperature: Positive and finite.

        Returns:
            The score; None if it has no temperature that can be set.
        """
        return None

    def with_steps(self, steps: Steps) -> "Score | None":
        """The same score after other steps of training.

        Args:
            steps: Their number and learning rate.

        Returns:
            The score; None if it is one of the weights as they are.
        """
        return None

    @abstractmethod
    def compute(self, problem: Problem) -> Scores:
        """Scores per maskable weight, each of the weight's shape."""
