"""Initial weights theta0, reproducible from a 32-bit seed on every machine.

Each weight tensor has its own random stream, derived from (seed, parameter name) and drawn on the CPU: the
order of the layers, the device and the number of threads do not matter.
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
    """Standard deviation sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 12).

    Args:
        fan_in: Inputs of a unit, at least 1.
        fan_out: Outputs of a unit, at least 1.

    Returns:
        The standard deviation, positive.
    """
    return math.sqrt(2.0 / (fan_in + fan_out))


def kaiming_normal(fan_in: int, fan_out: int) -> float:
    """Standard deviation sqrt(2 / fan_in) (He et al. 2015, eq. 10).

    Args:
        fan_in: Inputs of a unit, at least 1.
        fan_out: Not used.

    Returns:
        The standard deviation, positive.
    """
    return math.sqrt(2.0 / fan_in)


INITIALIZATIONS: Mapping[str, Callable[[int, int], float]] = {
    "xavier_normal": xavier_normal,
    "kaiming_normal": kaiming_normal,
}


def initial_weight(name: str, shape: torch.Size, seed: int, method: str = "xavier_normal") -> Tensor:
    """theta0 of one weight.

    Args:
        name: The parameter's name.
        shape: (out, in) for a linear layer or (out, in / groups, *kernel) for a convolution.
        seed: The trial's, in [0, 2**32).
        method: A key of `INITIALIZATIONS`.

    Returns:
        The values, float32 on the CPU, of that shape.

    Raises:
        InputError: An unknown method.
    """
    deviation = lookup("initialization", method, INITIALIZATIONS)
    receptive = math.prod(shape[2:])
    std = deviation(shape[1] * receptive, shape[0] * receptive)
    draws = stream(seed, "initial weights", name).standard_normal(tuple(shape)) * std
    return torch.from_numpy(draws).to(torch.float32)


def initial_value(name: str, shape: torch.Size, seed: int, method: str = "xavier_normal") -> Tensor:
    """theta0 of a weight or bias of a convolution or linear layer; biases start at zero.

    Args:
        name: The parameter's name.
        shape: Its shape; biases have one dimension.
        seed: The trial's, in [0, 2**32).
        method: A key of `INITIALIZATIONS`.

    Returns:
        The values, float32 on the CPU, of that shape.
    """
    return initial_weight(name, shape, seed, method) if len(shape) > 1 else torch.zeros(shape)


def initialize(model: nn.Module, seed: int, method: str = "xavier_normal") -> str:
    """Write theta0 into a model, in place.

    Weights of convolution and linear layers are drawn from `seed`, their biases are zero. Normalisation
    layers have ones and zeros.

    Args:
        model: The model.
        seed: The trial's, in [0, 2**32).
        method: A key of `INITIALIZATIONS`.

    Returns:
        The SHA-256 of theta0, see `weights_hash`.
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
