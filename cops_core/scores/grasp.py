"""GraSP: weights whose removal would weaken the gradient flow are kept."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.isolation import Normalisation
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.network import Network, Weights
from cops_core.scores.problem import Functional, Precision


@dataclass(frozen=True)
class GradientFlow(Functional):
    """F(theta) = 1/2 ||g||^2, g = dL/dtheta the gradient of the maskable weights alone.

    Its gradient is H g, H the Hessian of L in the maskable weights.
    """

    loss: MeanCrossEntropy

    needs_data: ClassVar[bool] = True
    needs_second_derivative: ClassVar[bool] = True
    of_magnitudes: ClassVar[bool] = False
    normalisation: ClassVar[Normalisation] = "train"
    precision: ClassVar[Precision] = "model"

    def value(self, network: Network, weights: Weights, images: Tensor, labels: Tensor) -> Tensor:
        """F at `weights`, a tensor of shape (); the whole batch in one piece."""
        loss = self.loss.value(network, weights, images, labels)
        gradients = torch.autograd.grad(
            loss, list(weights.values()), create_graph=True, materialize_grads=True
        )
        return 0.5 * torch.stack([gradient.square().sum() for gradient in gradients]).sum()


GRASP = GeneralizedSynapticScore(GradientFlow(MeanCrossEntropy(temperature=200.0)), signed=True)
"""omega = theta * (H g), logits divided by 200.

Wang et al. 2020, "Picking Winning Tickets Before Training by Preserving Gradient Flow" (arXiv
2002.07376): S(-theta) = -theta * (H g), of which the highest are removed. Here the highest of the
opposite are kept: the same masks. The temperature is that of the authors' code.
"""
