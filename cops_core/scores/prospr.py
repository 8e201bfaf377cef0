"""ProsPr: weights that change the loss most after a few steps of training are kept."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from cops_core.generators import seeded_generators
from cops_core.scores.functional import Precision, ScalarFunction
from cops_core.scores.grasp import second_derivatives
from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.isolation import NormalisationMode
from cops_core.scores.loss import MeanCrossEntropy
from cops_core.scores.network import Network, Weights
from cops_core.scores.setting import Setting, differentiate
from cops_core.scores.steps import STEPS, Steps


@dataclass(frozen=True)
class LossAfterSteps(ScalarFunction):
    """F(theta) = L(w_M), where w_0 = theta and w_i = w_{i-1} - alpha g_i, g_i the gradient of L at w_{i-1}.

    The maskable weights alone are trained; a weight that is zero is a removed one, and stays zero. Each step
    uses the next batch, and L(w_M) the one after the last step; after the last batch comes the first again.

    Attributes:
        loss: L.
        steps: M and alpha.
    """

    loss: MeanCrossEntropy
    steps: Steps = STEPS

    needs_data: ClassVar[bool] = True
    needs_second_derivative: ClassVar[bool] = True
    of_magnitudes: ClassVar[bool] = False
    precision: ClassVar[Precision] = "model"

    @property
    def normalisation(self) -> NormalisationMode:
        """The loss's."""
        return self.loss.normalisation

    def with_steps(self, steps: Steps) -> "LossAfterSteps":
        """F after other steps, see `ScalarFunction.with_steps`."""
        return replace(self, steps=steps)

    @contextmanager
    def context(self, network: Network) -> Iterator[None]:
        """Functions with a second derivative, see `ScalarFunction.context`."""
        with second_derivatives():
            yield

    def gradient(self, setting: Setting) -> Sequence[Tensor]:
        """dF/dtheta, exactly: the steps are passed backwards, v <- v - alpha H_i v, from v = dL/dw_M.

        H_i v is the gradient of <g_i(w), v> at w = w_{i-1}, with a constant v. Memory is that of one such
        product and the weights of each step.
        """
        rate = self.steps.learning_rate
        kept = [weight.detach() != 0 for weight in setting.weights.values()]
        at = [setting]
        for step in range(self.steps.count):
            slopes = _held(at[-1], partial(self._slopes, at[-1], step))
            pairs = zip(at[-1].weights.items(), slopes, kept, strict=True)
            moved = {name: weight.detach() - rate * slope * keep for (name, weight), slope, keep in pairs}
            at.append(_at(setting, moved))
        last = at.pop()
        found = _held(last, partial(self._slopes, last, self.steps.count))
        for step, earlier in reversed(list(enumerate(at))):
            along = [gradient * keep for gradient, keep in zip(found, kept, strict=True)]
            products = _held(earlier, partial(self._product, earlier, step, along))
            found = [gradient - rate * more for gradient, more in zip(found, products, strict=True)]
        return found

    def _slopes(self, at: Setting, step: int) -> Sequence[Tensor]:
        """The gradient of a step's loss."""
        return differentiate(lambda: self._loss(at, step), list(at.weights.values()))

    def _product(self, at: Setting, step: int, along: Sequence[Tensor]) -> Sequence[Tensor]:
        """H v: the Hessian of a step's loss times a constant vector."""
        variables = list(at.weights.values())

        def slope() -> Tensor:
            loss = self._loss(at, step)
            flow = torch.autograd.grad(loss, variables, create_graph=True, materialize_grads=True)
            return torch.stack([(own * v).sum() for own, v in zip(flow, along, strict=True)]).sum()

        return differentiate(slope, variables, whole=True)

    def _loss(self, at: Setting, step: int) -> Tensor:
        """L of the batch of a step, by the step's number from 0."""
        return self.loss.value(at, step % at.count)


def _held(at: Setting, compute: Callable[[], Sequence[Tensor]]) -> Sequence[Tensor]:
    """What is computed while the network has the weights of a step: checkpointed layers run there again.

    Layers that draw even in eval mode draw the same in each pass: else a step and its Hessian would have
    different draws, and the gradient would not be that of F.
    """
    devices = {weight.device for weight in at.weights.values()}
    with seeded_generators(at.problem.seed, "scoring", devices=devices):
        return at.network.holding(at.weights, compute)


def _at(setting: Setting, weights: Weights) -> Setting:
    """The same network and batches with other weights, leaves that require a gradient."""
    return replace(setting, weights={name: weight.requires_grad_() for name, weight in weights.items()})


PROSPR = GeneralizedSynapticScore(LossAfterSteps(MeanCrossEntropy()), averages_batches=False)
"""omega = |dF/dtheta * theta|, which is |dL(w_M)/dc| at c = 1 for w_0 = c * theta.

Alizadeh et al. 2022, "Prospect Pruning: Finding Trainable Weights at Initialization using Meta-Gradients"
(arXiv 2202.08132). Three steps at 0.1 without momentum, as in the authors' code unless a selection sets
others; that code also trains biases and normalisation in these steps, which is not imitated.
"""
