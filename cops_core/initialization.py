"""Initial weights theta0, reproducible from a 32-bit seed on every machine.

The project draws the weights of convolution and linear layers, whatever their author has put there. Each of
them has its own random stream, derived from (seed, parameter name) and drawn on the CPU: the order of the
layers, the device and the number of threads do not matter. All other values stay
(see `cops_core.construction`).
"""

import hashlib
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from cops_core.errors import lookup
from cops_core.models import build_model
from cops_core.models.base import Shape
from cops_core.prunable import maskable
from cops_core.streams import stream
from cops_core.tensor_bytes import tensor_bytes, type_name


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

# Initial values of parameters and buffers, by the last part of their name; zero otherwise.
USUAL: Mapping[str, float] = {"weight": 1.0, "running_var": 1.0}


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


def initial_network(
    name: str,
    shape: Shape,
    classes: int,
    seed: int,
    method: str = "xavier_normal",
    dtype: torch.dtype = torch.float32,
) -> tuple[nn.Module, str]:
    """A network with theta0 as its values.

    Args:
        name: See `cops_core.models.find_model`.
        shape: (channels, height, width) of an image.
        classes: The number of classes, at least 2.
        seed: The trial's, in [0, 2**32).
        method: A key of `INITIALIZATIONS`.
        dtype: Of its parameters, see `cops_core.construction.set_type`.

    Returns:
        The network on the CPU, and the SHA-256 of theta0.

    Raises:
        InputError: See `build_model`, or an unknown method.
    """
    model = build_model(name, shape, classes, seed, dtype)
    return model, initialize(model, seed, method)


def initialize(model: nn.Module, seed: int, method: str = "xavier_normal") -> str:
    """Draw the weights of convolution and linear layers from `seed`, in place; all other values stay.

    Args:
        model: The model, as `build_model` returns it.
        seed: The trial's, in [0, 2**32).
        method: A key of `INITIALIZATIONS`.

    Returns:
        The SHA-256 of theta0: see `weights_hash` for the drawn weights; then the name, type, shape and values
        of each of `own_values`.
    """
    weights = maskable(model)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(initial_weight(name, weight.shape, seed, method))
    digest = _weights_digest(weights)
    for name, tensor in own_values(model).items():
        # Widened, so that all precisions of a training have the same theta0.
        values = tensor.detach().double() if tensor.is_floating_point() else tensor
        digest.update(f"{name}:{type_name(values)}:{tuple(values.shape)}:".encode())
        digest.update(tensor_bytes(values))
    return digest.hexdigest()


def own_values(model: nn.Module) -> dict[str, Tensor]:
    """The initial values that only the author's code gives: neither drawn by the project nor usual.

    Usual are ones in a parameter called weight, zeros in any other, and the running statistics of new
    normalisation layers.

    Args:
        model: The model with its initial values.

    Returns:
        Parameters that are no weight of a convolution or linear layer, then buffers, by name.
    """
    weights = maskable(model)
    found = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        usual = USUAL.get(name.rpartition(".")[2], 0.0)
        if name not in weights and not bool((tensor == usual).all()):
            found[name] = tensor.detach()
    return found


def weights_hash(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, shapes and little-endian float32 values of `weights`."""
    return _weights_digest(weights).hexdigest()


def _weights_digest(weights: Mapping[str, Tensor]) -> "hashlib._Hash":
    digest = hashlib.sha256()
    for name, weight in weights.items():
        values = weight.detach().cpu().to(torch.float32).contiguous().numpy().astype("<f4", copy=False)
        digest.update(f"{name}:{tuple(weight.shape)}:".encode())
        digest.update(values.tobytes())
    return digest
