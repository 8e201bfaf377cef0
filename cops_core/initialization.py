"""Initial weights theta0 that a 32-bit seed reproduces, on every machine.

Each weight tensor has a stream of its own, derived from (seed, parameter name), drawn on the CPU:
the order of the layers, the device and the number of threads do not matter.
"""

import hashlib
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from cops_core.errors import lookup
from cops_core.prunable import maskable
from cops_core.streams import stream


def xavier_normal(fan_in: int, fan_out: int) -> float:
    """Standard deviation sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 12)."""
    return math.sqrt(2.0 / (fan_in + fan_out))


def kaiming_normal(fan_in: int, fan_out: int) -> float:
    """Standard deviation sqrt(2 / fan_in) (He et al. 2015, eq. 10)."""
    return math.sqrt(2.0 / fan_in)


INITIALIZATIONS: Mapping[str, Callable[[int, int], float]] = {
    "xavier_normal": xavier_normal,
    "kaiming_normal": kaiming_normal,
}


def initial_weight(name: str, shape: torch.Size, seed: int, method: str = "xavier_normal") -> Tensor:
    """theta0 of one parameter, float32 on the CPU.

    shape: (out, in) of a linear layer or (out, in / groups, *kernel) of a convolution.
    """
    deviation = lookup("initialization", method, INITIALIZATIONS)
    receptive = math.prod(shape[2:])
    std = deviation(shape[1] * receptive, shape[0] * receptive)
    draws = stream(seed, "initial weights", name).standard_normal(tuple(shape)) * std
    return torch.from_numpy(draws).to(torch.float32)


def initial_value(name: str, shape: torch.Size, seed: int, method: str = "xavier_normal") -> Tensor:
    """theta0 of a weight or of a bias of a convolution or linear layer; biases begin at zero."""
    return initial_weight(name, shape, seed, method) if len(shape) > 1 else torch.zeros(shape)


def initialize(model: nn.Module, seed: int, method: str = "xavier_normal") -> str:
    """Write theta0 into `model` in place and return its SHA-256.

    Weights of convolution and linear layers are drawn from `seed`; all their biases are zero.
    Normalisation layers get ones and zeros.
    """
    weights = maskable(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name in weights:
                parameter.copy_(initial_weight(name, parameter.shape, seed, method))
            else:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
    return weights_hash(weights)


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, shapes and little-endian float32 values of `weights`."""
    digest = hashlib.sha256()
    for name, weight in weights.items():
        values = weight.detach().cpu().to(torch.float32).contiguous().numpy().astype("<f4", copy=False)
        digest.update(f"{name}:{tuple(weight.shape)}:".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
