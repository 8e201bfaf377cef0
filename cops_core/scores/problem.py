"""The input of scores (a network, a batch and a seed), and the functionals whose gradients are used."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from cops_core.errors import InputError
from cops_core.scores.isolation import NormalisationMode, isolated
from cops_core.scores.network import Network, Weights, network_of
from cops_core.scores.substitutes import InDouble

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


def differentiate(
    value: Callable[[], Tensor], variables: Sequence[Tensor], *, whole: bool = False
) -> Sequence[Tensor]:
    """The gradient of a value; zero where it does not depend on a variable.

    Args:
        value: Computes a tensor of shape (), every time the same.
        variables: Leaves that require a gradient.
        whole: Whether the value contains a gradient itself. The backward pass then visits everything: a
            function that can be differentiated once only raises, where torch would else leave it out.

    Returns:
        A tensor for each variable, of its shape.
    """
    try:
        if not whole:
            return torch.autograd.grad(value(), list(variables), materialize_grads=True)
    except RuntimeError as error:
        # Layers with a reentrant checkpoint have only a whole backward pass.
        if "use_reentrant" not in str(error):
            raise
    torch.autograd.backward(value())
    gradients = [torch.zeros_like(v) if v.grad is None else v.grad for v in variables]
    for variable in variables:
        variable.grad = None
    return gradients


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
        self._read: dict[str, tuple[Tensor, int]] = {}
        model = network.model
        self._note({"the images": images, "the labels": labels})
        self._note({**dict(model.named_parameters()), **dict(model.named_buffers())})

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
            gradients, weights = self._differentiate(functional)
            self._gradients[functional] = gradients, weights
            self._note(gradients, f"the gradient of {type(functional).__name__} in {{}}")
            self._note(weights, f"the copy for {type(functional).__name__} of {{}}")
        return self._gradients[functional]

    def changed(self) -> list[str]:
        """What was changed in place since it was made, of the tensors that all scores of a call read."""
        return [name for name, (tensor, version) in self._read.items() if tensor._version != version]

    def _note(self, tensors: Mapping[str, Tensor], what: str = "{}") -> None:
        self._read |= {what.format(name): (tensor, tensor._version) for name, tensor in tensors.items()}

    def _differentiate(self, functional: Functional) -> tuple[Weights, Weights]:
        network, images = self.network, self.images
        dtype = torch.float64 if functional.precision == "float64" else images.dtype

        def copied(weights: Weights) -> dict[str, Tensor]:
            copies = {name: weight.to(dtype, copy=True) for name, weight in weights.items()}
            return {n: copy.abs_() for n, copy in copies.items()} if functional.of_magnitudes else copies

        weights = {name: copy.requires_grad_() for name, copy in copied(network.weights).items()}
        converted, images = network.to(dtype), images.to(dtype)

        def value() -> Tensor:
            return functional.value(converted, weights, images, self.labels)

        wide = InDouble() if functional.precision == "float64" else nullcontext()
        with isolated(network.model, functional.normalisation, self.seed), wide:
            whole = functional.needs_second_derivative
            gradients = converted.holding(
                weights, lambda: differentiate(value, list(weights.values()), whole=whole)
            )
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
