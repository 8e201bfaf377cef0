"""The mean cross-entropy of a batch, as a functional of the weights."""

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cross_entropy

from cops_core.errors import InputError
from cops_core.scores.isolation import NormalisationMode
from cops_core.scores.network import Network, Weights
from cops_core.scores.problem import Functional, Precision


@dataclass(frozen=True)
class MeanCrossEntropy(Functional):
    """L(theta): the mean over the batch of the cross-entropy of softmax(logits / temperature).

    Attributes:
        temperature: Positive and finite.
        normalisation: "train" uses the statistics of the batch, "eval" the running ones.

    Raises:
        InputError: Another temperature.
    """

    temperature: float = 1.0
    normalisation: NormalisationMode = "train"

    needs_data: ClassVar[bool] = True
    needs_second_derivative: ClassVar[bool] = False
    of_magnitudes: ClassVar[bool] = False
    precision: ClassVar[Precision] = "model"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise InputError(f"temperature {self.temperature}: write a positive and finite number")

    def value(self, network: Network, weights: Weights, images: Tensor, labels: Tensor) -> Tensor:
        """L at `weights`, a tensor of shape (); see `Functional.value`."""
        return cross_entropy(network.logits(weights, images) / self.temperature, labels)
