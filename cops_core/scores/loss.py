"""The loss of the batches, as a function of the weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from cops_core.errors import InputError
from cops_core.scores.functional import Precision, ScalarFunction
from cops_core.scores.isolation import NormalisationMode
from cops_core.scores.setting import Setting


@dataclass(frozen=True)
class MeanCrossEntropy(ScalarFunction):
    """L(theta): the mean over the batch of the cross-entropy of softmax(logits / temperature).

    Where the caller gives another loss, L is that one. L of several batches is the mean of theirs.

    Attributes:
        temperature: Positive and finite. Without effect on a loss that the caller gives.
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

    def value(self, setting: Setting, number: int) -> Tensor:
        """L of one batch, a tensor of shape (), by the batch's number."""
        return setting.loss(number, self.temperature)

    def gradient(self, setting: Setting) -> Sequence[Tensor]:
        """dL/dtheta, see `ScalarFunction.gradient`."""
        return setting.mean_gradient(lambda number: self.value(setting, number))
