"""A model as a pure function of its maskable weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from cops_core.errors import InputError, lookup
from cops_core.prunable import PRUNABLE, maskable

Weights = Mapping[str, Tensor]


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
        # Clones for every run: batch norm changes its running statistics in place.
        rest = {name: tensor.clone() for name, tensor in self.rest.items()}
        logits: Tensor = torch.func.functional_call(self.model, {**rest, **weights}, (images,))
        return logits

    def to(self, dtype: torch.dtype) -> "Network":
        """The same network, with all tensors in `dtype` except the prunable parameters."""
        rest = {name: t.to(dtype) if t.is_floating_point() else t for name, t in self.rest.items()}
        return replace(self, rest=rest)

    def without_biases(self) -> "Network":
        """The same network, with the biases of its maskable layers set to zero."""
        zeros = {name: torch.zeros_like(self.rest[name]) for name in self.biases}
        return replace(self, rest={**self.rest, **zeros})


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
        names[id(module.bias)]
        for module in model.modules()
        if id(getattr(module, "weight", None)) in owners and id(getattr(module, "bias", None)) in names
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
