"""What is scored: a network, a batch and a seed; and the functionals whose gradients are scored."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from cops_core.errors import InputError
from cops_core.scores.isolation import NormalisationMode, isolated
from cops_core.scores.network import Network, Weights, network_of

Precision = Literal["model", "float64"]


class Functional(ABC):
    """A scalar function F of the maskable weights, whose gradient scores are made of.

    Invariants. A subclass is a frozen dataclass: equal functionals share one gradient. `value` is
    differentiable in `weights` and knows them through its argument only, never through
    `network.weights`. The network and the images arrive in `precision` ("model": the model's own),
    the normalisation layers in the mode `normalisation`. `needs_data` says whether the values (not
    only the shape) of the images, or the labels, matter. `of_magnitudes`: F is a function of |theta|
    and is given, and differentiated in, |theta|; unlike dF/dtheta that is not lost at theta = 0.
    """

    needs_data: ClassVar[bool]
    needs_second_derivative: ClassVar[bool]
    of_magnitudes: ClassVar[bool]
    precision: ClassVar[Precision]

    @property
    @abstractmethod
    def normalisation(self) -> NormalisationMode:
        """The mode of the normalisation layers while `value` is computed."""

    @abstractmethod
    def value(self, network: Network, weights: Weights, images: Tensor, labels: Tensor) -> Tensor:
        """F at `weights` (theta or |theta|, see above), a tensor of shape ().

        images: (N, channels, height, width); labels: (N,), class numbers.
        """


class Problem:
    """A network to score, its batch, and the gradients already computed on them.

    Lives for one call of `compute_scores`, so a gradient can never be that of other weights.
    """

    def __init__(self, network: Network, images: Tensor, labels: Tensor, seed: int) -> None:
        self.network = network
        self.images = images
        self.labels = labels
        self.seed = seed
        self._gradients: dict[Functional, tuple[Weights, Weights]] = {}

    def gradient(self, functional: Functional) -> tuple[Weights, Weights]:
        """dF/dtheta per prunable parameter, and theta, by which scores multiply it; in F's precision.

        For a functional `of_magnitudes` dF/d|theta| and |theta|. The gradient is zero where F does not
        depend on a weight. Computed once per functional: SNIP and gradient share one backward pass.
        """
        if functional not in self._gradients:
            self._gradients[functional] = self._differentiate(functional)
        return self._gradients[functional]

    def _differentiate(self, functional: Functional) -> tuple[Weights, Weights]:
        network, images = self.network, self.images
        dtype = torch.float64 if functional.precision == "float64" else images.dtype

        def copied(weights: Weights) -> dict[str, Tensor]:
            copies = {name: weight.to(dtype, copy=True) for name, weight in weights.items()}
            return {n: copy.abs_() for n, copy in copies.items()} if functional.of_magnitudes else copies

        with isolated(network.model, functional.normalisation, self.seed):
            weights = {name: copy.requires_grad_() for name, copy in copied(network.weights).items()}
            value = functional.value(network.to(dtype), weights, images.to(dtype), self.labels)
            gradients = torch.autograd.grad(value, list(weights.values()), materialize_grads=True)
        revived = network.scored is not network.weights
        scored = copied(network.scored) if revived else {n: w.detach() for n, w in weights.items()}
        return dict(zip(weights, gradients, strict=True)), scored


def pose(
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    seed: int,
    mask: Mapping[str, Tensor] | None = None,
    *,
    prunable: str = "weights",
    revive: bool = False,
) -> Problem:
    """The problem of scoring `model` on `batch`, moved to the model's device and precision.

    Raises InputError if the batch is empty, or its images and labels differ in number.
    """
    images, labels = batch
    if labels.ndim != 1 or not 0 < len(labels) == len(images):
        raise InputError(
            f"images of shape {tuple(images.shape)} with labels of shape {tuple(labels.shape)}:"
            " give N >= 1 images and N labels"
        )
    network = network_of(model, mask, prunable=prunable, revive=revive)
    first = next(iter(network.weights.values()))
    return Problem(network, images.to(first.device, first.dtype), labels.to(first.device), seed)
