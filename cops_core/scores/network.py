"""A model as a pure function of its maskable weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from cops_core.errors import InputError, lookup
from cops_core.prunable import PRUNABLE, maskable

Weights = Mapping[str, Tensor]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Network:
    """`logits(weights, images)`, computed on clones: `model` is never changed.

    Attributes:
        model: The model.
        weights: theta, the prunable parameters in `named_parameters` order, zero outside the mask.
        scored: The weights by which a score multiplies gradients: `weights`, or those of the unmasked
            network if removed weights may come back.
        rest: All other parameters and the buffers.
        biases: The names in `rest` of biases of maskable layers.
    """

    model: nn.Module
    weights: Weights
    scored: Weights
    rest: Mapping[str, Tensor]
    biases: frozenset[str]

    def logits(self, weights: Weights, images: Tensor) -> Tensor:
        """The model's output. The caller enters `isolated` first.

        Args:
            weights: Values of the prunable parameters.
            images: Shape (N, channels, height, width).

        Returns:
            Logits of shape (N, classes).
        """
        # Clones for every run: batch norm changes its running statistics in place, a network its images.
        logits: Tensor = torch.func.functional_call(self.model, self._tensors(weights), (images.clone(),))
        return logits

    def holding(self, weights: Weights, act: Callable[[], Result]) -> Result:
        """Call a function while the model itself has these weights.

        Checkpointed layers run again in the backward pass, and read the model's tensors there.

        Args:
            weights: Values of the prunable parameters.
            act: Called without arguments.

        Returns:
            Its result.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self._tensors(weights).items()}
        result: Result = torch.func.functional_call(_Holder(self.model, act), tensors, ())
        return result

    def _tensors(self, weights: Weights) -> dict[str, Tensor]:
        return {**{name: tensor.clone() for name, tensor in self.rest.items()}, **weights}

    def to(self, dtype: torch.dtype) -> "Network":
        """The same network, with all tensors in `dtype` except the prunable parameters."""
        rest = {name: t.to(dtype) if t.is_floating_point() else t for name, t in self.rest.items()}
        return replace(self, rest=rest)

    def without_biases(self) -> "Network":
        """The same network, with the biases of its maskable layers set to zero."""
        zeros = {name: torch.zeros_like(self.rest[name]) for name in self.biases}
        return replace(self, rest={**self.rest, **zeros})


class _Holder(nn.Module):
    """A model inside a module whose forward is any function."""

    def __init__(self, model: nn.Module, act: Callable[[], Any]) -> None:
        super().__init__()
        self.model = model
        self._act = act

    def forward(self) -> Any:
        """The function's result."""
        return self._act()


def network_of(
    model: nn.Module,
    mask: Mapping[str, Tensor] | None = None,
    *,
    prunable: str = "weights",
    revive: bool = False,
) -> Network:
    """The network of a model, its prunable parameters zero outside the mask.

    Parameters without gradient (requires_grad=False) count like others; a shared one appears once, under its
    first name.

    Args:
        model: The model.
        mask: A boolean tensor per prunable parameter, of its shape, on any device; None keeps all.
        prunable: A key of `cops_core.prunable.PRUNABLE`.
        revive: Whether removed weights may come back, see `Network.scored`.

    Returns:
        The network.

    Raises:
        InputError: The model has nothing prunable, or the mask belongs to another network.
    """
    parameters = lookup("prunable part", prunable, PRUNABLE)(model)
    scored = {name: parameter.detach() for name, parameter in parameters.items()}
    if not scored:
        raise InputError(f"the model has no {prunable} to score: add a convolution or linear layer")
    weights = scored
    if mask is not None:
        check_mask(mask, weights)
        weights = {name: w.masked_fill(~mask[name].to(w.device), 0) for name, w in weights.items()}
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    owners = {id(parameter) for parameter in maskable(model).values()}
    biases = {
        names[id(module._parameters["bias"])]
        for module in model.modules()
        if id(module._parameters.get("weight")) in owners and id(module._parameters.get("bias")) in names
    }
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    rest = {name: tensor.detach() for name, tensor in tensors.items() if name not in weights}
    return Network(model, weights, scored if revive else weights, rest, frozenset(biases & set(rest)))


def check_mask(mask: Mapping[str, Tensor], weights: Weights) -> None:
    """Check that a mask fits a network.

    Args:
        mask: Boolean tensors by parameter name.
        weights: The network's prunable parameters.

    Raises:
        InputError: Names or shapes differ.
    """
    shapes = {name: tuple(layer.shape) for name, layer in mask.items()}
    expected = {name: tuple(weight.shape) for name, weight in weights.items()}
    if shapes != expected:
        name = next(n for n in [*expected, *shapes] if shapes.get(n) != expected.get(n))
        raise InputError(
            f"the mask has {shapes.get(name, 'nothing')} at {name!r} where the model has"
            f" {expected.get(name, 'nothing')}: pass a mask of this model"
        )
