"""GraSP: weights whose removal would reduce the gradient flow are kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from cops_core.errors import InputError
from cops_core.scores.functional import Precision, ScalarFunction
from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.isolation import NormalisationMode
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.network import Network
from cops_core.scores.setting import Setting, differentiate
from cops_core.scores.substitutes import TwiceDifferentiable

TEMPERATURE = 200.0  # as in the authors' code


@dataclass(frozen=True)
class GradientFlow(ScalarFunction):
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

    def at_temperature(self, temperature: float) -> "GradientFlow":
        """F of the loss with another temperature, see `ScalarFunction.at_temperature`."""
        return replace(self, loss=replace(self.loss, temperature=temperature))

    @contextmanager
    def context(self, network: Network) -> Iterator[None]:
        """Functions with a second derivative, see `ScalarFunction.context`."""
        with second_derivatives():
            yield

    def value(self, setting: Setting) -> Tensor:
        """F for a single batch, a tensor of shape ()."""
        gradients = self._flow(setting, 0)
        return 0.5 * torch.stack([gradient.square().sum() for gradient in gradients]).sum()

    def gradient(self, setting: Setting) -> Sequence[Tensor]:
        """H g.

        With several batches g is the mean of their gradients, and H g the mean of the gradients of <g_b, g>
        with a constant g, g_b the gradient of batch b: one batch after the other, each run twice.
        """
        if setting.count == 1:
            return differentiate(lambda: self.value(setting), list(setting.weights.values()), whole=True)
        mean = setting.mean_gradient(lambda number: self._loss(setting, number))

        def along(number: int) -> Tensor:
            flow = self._flow(setting, number)
            return torch.stack([(own * g).sum() for own, g in zip(flow, mean, strict=True)]).sum()

        return setting.mean_gradient(along, whole=True)

    def _flow(self, setting: Setting, number: int) -> Sequence[Tensor]:
        """The gradient of L of one batch, which can be differentiated again."""
        loss = self._loss(setting, number)
        return torch.autograd.grad(
            loss, list(setting.weights.values()), create_graph=True, materialize_grads=True
        )

    def _loss(self, setting: Setting, number: int) -> Tensor:
        """L of one batch."""
        if not self.halves:
            return self.loss.value(setting, number)
        if setting.problem.loss is not None:
            raise InputError(
                "the convention 'grasp' divides batches by their labels: write no loss, or convention='paper'"
            )
        parts = _halves(*setting.pair(number))
        network, weights = setting.network, setting.weights
        losses = [
            cross_entropy(network.logits(weights, images) / self.loss.temperature, labels)
            for images, labels in parts
        ]
        return torch.stack(losses).mean()


@contextmanager
def second_derivatives() -> Iterator[None]:
    """A context in which a network can be differentiated twice.

    Attention is computed by matrix products and a softmax, also in layers of torch: fused kernels have one
    derivative.
    """
    with sdpa_kernel(SDPBackend.MATH), TwiceDifferentiable():
        yield


def _halves(images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The batch ordered by class and split in the middle; a single image is one part."""
    order = labels.argsort(stable=True)
    middle = len(labels) // 2
    return [(images[part], labels[part]) for part in (order[:middle], order[middle:]) if len(part)]


GRASP = GeneralizedSynapticScore(GradientFlow(MeanCrossEntropy(TEMPERATURE)), signed=True)
"""omega = theta * (H g), logits divided by 200, or by the temperature of the selection.

Wang et al. 2020, "Picking Winning Tickets Before Training by Preserving Gradient Flow" (arXiv
2002.07376): S(-theta) = -theta * (H g), of which the highest are removed. Here the highest of the
opposite are kept: the same masks.
"""
