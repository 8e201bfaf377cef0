"""The contract of a score."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from cops_core.mask import Scores
from cops_core.scores.problem import Precision, Problem


@dataclass(frozen=True, kw_only=True)
class Traits:
    """How a score is computed, for manifests and caches.

    normalisation: the mode of the normalisation layers: "train" (statistics of the batch, the
    running ones untouched), "eval" (running statistics), or "unused" (the network is not run).
    precision: "model" (that of the model's weights) or "float64". signed: values can be negative.
    """

    needs_data: bool
    needs_second_derivative: bool
    normalisation: Literal["train", "eval", "unused"]
    precision: Precision
    signed: bool


class Score(ABC):
    """How much each maskable weight matters: the higher, the sooner it is kept.

    Invariants. `compute` returns a tensor for each name of `problem.network.weights`, in that
    order, of the weight's shape, on its device, detached, sharing memory with nothing. Values are a
    function of the problem alone: the same at every call and, up to rounding, for every order of
    the batch, device and number of threads. They are non-negative unless `traits.signed`. They are
    the formula's values on the masked network: what removed weights get has no meaning, and the
    caller compares survivors only. The model is run inside `isolated` or not at all.

    A new score is one file with one instance, and one line in `SCORES`.
    """

    @property
    @abstractmethod
    def traits(self) -> Traits:
        """How this score is computed."""

    @abstractmethod
    def compute(self, problem: Problem) -> Scores:
        """Scores per maskable weight, each of the weight's shape."""
