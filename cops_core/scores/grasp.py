"""GraSP: weights whose removal would reduce the gradient flow are kept."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.isolation import NormalisationMode
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.network import Network, Weights
from cops_core.scores.problem import Functional, Precision
from cops_core.scores.substitutes import TwiceDifferentiable

TEMPERATURE = 200.0  # as in the authors' code


@dataclass(frozen=True)
class GradientFlow(Functional):
    """F(theta) = 1/2 ||g||^2, g = dL/dtheta the gradient of the maskable weights alone.

    Its gradient is H g, H the Hessian of L in the maskable weights.

    Attributes:
        loss: L.
        halves: Whether L is the mean of two losses: of the first and the second half of the batch ordered by
            class, each run separately. Without layers that couple the samples of a batch this is the same L.
    """

    loss: MeanCrossEntropy
    halves: bool = False

    needs_data: ClassVar[bool] = True
    needs_second_derivative: ClassVar[bool] = True
    of_magnitudes: ClassVar[bool] = False
    precision: ClassVar[Precision] = "model"

    @property
    def normalisation(self) -> NormalisationMode:
        """The loss's."""
        return self.loss.normalisation

    def value(self, network: Network, weights: Weights, images: Tensor, labels: Tensor) -> Tensor:
        """F at `weights`, a tensor of shape (); see `Functional.value`."""
        parts = _halves(images, labels) if self.halves else [(images, labels)]
        with TwiceDifferentiable():
            loss = torch.stack([self.loss.value(network, weights, *part) for part in parts]).mean()
        gradients = torch.autograd.grad(
            loss, list(weights.values()), create_graph=True, materialize_grads=True
        )
        return 0.5 * torch.stack([gradient.square().sum() for gradient in gradients]).sum()


def _halves(images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The batch ordered by class and split in the middle; a single image is one part."""
    order = labels.argsort(stable=True)
    middle = len(labels) // 2
    return [(images[part], labels[part]) for part in (order[:middle], order[middle:]) if len(part)]


GRASP = GeneralizedSynapticScore(GradientFlow(MeanCrossEntropy(TEMPERATURE)), signed=True)
"""omega = theta * (H g), logits divided by 200.

Wang et al. 2020, "Picking Winning Tickets Before Training by Preserving Gradient Flow" (arXiv
2002.07376): S(-theta) = -theta * (H g), of which the highest are removed. Here the highest of the
opposite are kept: the same masks.
"""
