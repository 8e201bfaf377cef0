"""Floors: at least so many kept weights in each layer, or for each of its output units.

Without them a score may empty a whole layer, and the network is cut in two. A layer or unit with fewer
weights keeps all of them. Masked biases have no floor: a network without them is still connected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn
from torch.nn.modules.conv import _ConvTransposeNd

from cops_core.config import Floor
from cops_core.library.candidates import EMBEDDINGS, is_transformers_conv1d

Integers = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Floors:
    """The weights that count together, and how many of them are kept at least.

    Attributes:
        owners: The number of the layer or output unit of each of n weights, in [0, U), shape (n,).
        least: The minimum of kept weights of each, shape (U,).
    """

    owners: Integers
    least: Integers

    @property
    def total(self) -> int:
        """The sum of all minima: no mask with fewer weights has these floors."""
        return int(self.least.sum())

    def of(self, chosen: slice | Integers) -> "Floors":
        """The floors of some of the weights; each unit must have enough of them."""
        return Floors(self.owners[chosen], self.least)


def layer_floors(floor: Floor, model: nn.Module, weights: Mapping[str, nn.Parameter]) -> dict[str, Floors]:
    """The floors of each layer.

    Args:
        floor: What is asked for.
        model: The network.
        weights: Its maskable weights, by their first name.

    Returns:
        The floors by name.
    """
    layers = _layers(model)
    found = {}
    for name, weight in weights.items():
        owners = np.zeros(weight.numel(), dtype=np.intp)
        if weight.ndim < 2:
            found[name] = Floors(owners, np.zeros(1, dtype=np.intp))
            continue
        if floor.per == "unit":
            owners = output_units(layers.get(id(weight), []), weight.shape).reshape(-1)
        found[name] = Floors(owners, np.minimum(np.bincount(owners), floor.count).astype(np.intp))
    return found


def joined(floors: Sequence[Floors]) -> Floors:
    """The floors of several layers, one after the other, as those of all their weights.

    Args:
        floors: Of each layer, at least one.

    Returns:
        Their floors, units numbered consecutively.
    """
    starts = np.cumsum([0, *(each.least.size for each in floors)])[:-1]
    owners = [each.owners + start for each, start in zip(floors, starts.tolist(), strict=True)]
    return Floors(np.concatenate(owners), np.concatenate([each.least for each in floors]))


def output_units(layers: Sequence[nn.Module], shape: Sequence[int]) -> Integers:
    """The output unit to which each weight of a tensor leads: a neuron, a channel, a feature.

    The first dimension counts outputs, except in transposed convolutions (in, out / groups, *kernel), in
    transformers' `Conv1D` (in, out) and in embeddings (words, features). A weight that an embedding and a
    linear layer share counts as the linear layer's.

    Args:
        layers: The layers that have the tensor; none if they are not known.
        shape: Of the tensor, at least two dimensions.

    Returns:
        The number of the unit, of that shape.
    """
    owner = next((layer for layer in layers if not isinstance(layer, EMBEDDINGS)), None)
    outputs = np.arange(shape[0])
    if isinstance(owner, _ConvTransposeNd):
        group = outputs // (shape[0] // owner.groups)
        return _spread(group[:, None] * shape[1] + np.arange(shape[1]), shape)
    if (layers and owner is None) or (owner is not None and is_transformers_conv1d(owner)):
        return _spread(np.arange(shape[1])[None], shape)
    return _spread(outputs, shape)


def _spread(units: Integers, shape: Sequence[int]) -> Integers:
    """The units of the first dimensions, for all weights of these."""
    leading = units.reshape(units.shape + (1,) * (len(shape) - units.ndim))
    return np.ascontiguousarray(np.broadcast_to(leading, tuple(shape))).astype(np.intp)


def _layers(model: nn.Module) -> dict[int, list[nn.Module]]:
    """The layers that have each parameter, by its id."""
    found: dict[int, list[nn.Module]] = {}
    for layer in model.modules():
        for parameter in layer._parameters.values():
            if parameter is not None:
                found.setdefault(id(parameter), []).append(layer)
    return found
