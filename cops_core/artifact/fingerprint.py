"""Fingerprints of a network and of its mask: equal if and only if all bits are equal."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cops_core.mask import Mask
from cops_core.masked.view import plain_parameters
from cops_core.tensor_bytes import tensor_bytes, type_name


def fingerprint(model: nn.Module) -> str:
    """SHA-256 over name, type, shape and little-endian values of all parameters, then all buffers.

    A masked model has that of the plain model with the same weights.
    """
    digest = hashlib.sha256()
    for name, tensor in (*plain_parameters(model).items(), *model.named_buffers()):
        digest.update(f"{name}:{type_name(tensor)}:{tuple(tensor.shape)}:".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()


def mask_fingerprint(model: nn.Module, places: Mapping[str, Tensor]) -> str | None:
    """`Mask.sha256()` of a mask given by positions.

    Args:
        model: The model, for the shapes of its parameters.
        places: By parameter name, the positions of the kept weights in the flattened parameter.

    Returns:
        64 hexadecimal digits, or None without a mask.
    """
    layers = {
        name: torch.zeros(parameter.shape, dtype=torch.bool)
        for name, parameter in plain_parameters(model).items()
        if name in places
    }
    for name, layer in layers.items():
        layer.view(-1)[places[name].cpu()] = True
    return Mask(layers).sha256() if layers else None
