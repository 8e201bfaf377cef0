"""What a function of the weights is computed on: a network, its weights as leaves, batches and a loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cops_core.errors import InputError
from cops_core.scores.batches import Batch, cloned, moved
from cops_core.scores.network import Network, Weights

if TYPE_CHECKING:
    from cops_core.scores.problem import Problem


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


@dataclass(frozen=True, eq=False)
class Setting:
    """What a function F is computed on, in its precision.

    Attributes:
        network: The network.
        weights: theta, or |theta|, by parameter name: leaves that require a gradient.
        problem: The problem.
        dtype: Of the network and of floating point inputs.
    """

    network: Network
    weights: Weights
    problem: "Problem"
    dtype: torch.dtype

    @property
    def count(self) -> int:
        """The number of batches, at least 1.

        Raises:
            InputError: There is none.
        """
        return self.problem.count

    @property
    def example(self) -> Any:
        """The input for functions that need no data, see `Problem.example`."""
        return moved(self.problem.example, self.network.device, self.dtype)

    def batch(self, number: int) -> Batch:
        """A batch, by its number from 0; the network may change it in place."""
        return cloned(moved(self.problem.batch(number), self.network.device, self.dtype))

    def pair(self, number: int) -> tuple[Any, Tensor]:
        """A batch as inputs and labels, see `Problem.pair`."""
        inputs, labels = self.problem.pair(number)
        return moved(inputs, self.network.device, self.dtype), labels

    def loss(self, number: int, temperature: float = 1.0) -> Tensor:
        """The loss of a batch: the caller's, or else the mean cross-entropy.

        Args:
            number: The batch's, from 0.
            temperature: The logits are divided by it, where the loss is the cross-entropy.

        Returns:
            A tensor of shape ().

        Raises:
            InputError: The batch has no labels and there is no other loss, or the loss is not one number that
                depends on the weights.
        """
        given = self.problem.loss
        if given is None:
            images, labels = self.pair(number)
            return cross_entropy(self.network.logits(self.weights, images) / temperature, labels)
        batch = self.batch(number)
        value = self.network.holding(self.weights, lambda: given(self.network.model, batch))
        if not isinstance(value, Tensor) or value.numel() != 1 or not value.is_floating_point():
            raise InputError(f"loss returns {_described(value)}: write a function that returns one number")
        if not value.requires_grad:
            raise InputError(
                "loss does not depend on the weights: write a function of the model that it receives, without"
                " no_grad, detach and item"
            )
        return value.reshape(())

    def mean_gradient(self, value: Callable[[int], Tensor], *, whole: bool = False) -> Sequence[Tensor]:
        """The mean over the batches of a value's gradient, one batch after the other.

        Args:
            value: Computes a tensor of shape () for the batch with a number.
            whole: See `differentiate`.

        Returns:
            A tensor for each weight, of its shape.
        """
        variables = list(self.weights.values())
        total = list(differentiate(lambda: value(0), variables, whole=whole))
        for number in range(1, self.count):
            more = differentiate(lambda number=number: value(number), variables, whole=whole)  # type: ignore[misc]
            for place, gradient in enumerate(more):
                total[place] = total[place] + gradient if number == 1 else total[place].add_(gradient)
        return [gradient.div_(self.count) for gradient in total] if self.count > 1 else total


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and type {value.dtype}"
    return f"an object of type {type(value).__name__}"
