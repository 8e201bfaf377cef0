"""The input of scores (a network, a batch and a seed), and the functionals whose gradients are used."""

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
    """A scalar function F of the maskable weights, whose gradient is used by scores.

    Invariants. A subclass is a frozen dataclass: equal functionals share one gradient. `value` is
    differentiable in `weights` and uses only this argument, never `network.weights`. The network and the
    images have the type `precision`, the normalisation layers the mode `normalisation`.

    Attributes:
        needs_data: Whether the values of the images (not only their shape) or the labels matter.
        needs_second_derivative: Whether F contains a gradient itself.
        of_magnitudes: Whether F is a function of |theta|. It then receives |theta| and is differentiated in
            |theta|; unlike dF/dtheta this derivative exists at theta = 0.
        precision: "model" (that of the model's weights) or "float64".
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
        """F at some weights.

        Args:
            network: The network.
            weights: theta, or |theta| if `of_magnitudes`, by parameter name.
            images: Shape (N, channels, height, width).
            labels: Shape (N,), class numbers.

        Returns:
            A tensor of shape ().
        """


class Problem:
    """A network to score, its batch, and the gradients that have already been computed.

    It is used for one call of `compute_scores`, so a gradient never belongs to other weights.

    Args:
        network: The network.
        images: Shape (N, channels, height, width), on the network's device.
        labels: Shape (N,), class numbers, on the same device.
        seed: The trial's, in [0, 2**32).
    """

    def __init__(self, network: Network, images: Tensor, labels: Tensor, seed: int) -> None:
        self.network = network
        self.images = images
        self.labels = labels
        self.seed = seed
        self._gradients: dict[Functional, tuple[Weights, Weights]] = {}

    def gradient(self, functional: Functional) -> tuple[Weights, Weights]:
        """The gradient of a functional, and the weights by which scores multiply it.

        Computed once per functional: SNIP and gradient share one backward pass.

        Args:
            functional: F.

        Returns:
            dF/dtheta and theta by parameter name, in F's precision; dF/d|theta| and |theta| for a functional
            `of_magnitudes`. The gradient is zero where F does not depend on a weight.
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
    """The problem of scoring a model on a batch, which is moved to the model's device and precision.

    Args:
        model: The model.
        batch: Images of shape (N, channels, height, width) and labels of shape (N,).
        seed: The trial's, in [0, 2**32).
        mask: See `network_of`.
        prunable: A key of `cops_core.prunable.PRUNABLE`.
        revive: See `Network.scored`.

    Returns:
        The problem.

    Raises:
        InputError: The batch is empty, the numbers of images and labels differ, or see `network_of`.
    """
    images, labels = batch
    if labels.ndim != 1 or not 0 < len(labels) == len(images):
        raise InputError(
            f"images of shape {tuple(images.shape)} with labels of shape {tuple(labels.shape)}:"
            " pass N >= 1 images and N labels"
        )
    network = network_of(model, mask, prunable=prunable, revive=revive)
    first = next(iter(network.weights.values()))
    return Problem(network, images.to(first.device, first.dtype), labels.to(first.device), seed)
