"""`freeze`, `prune`, `scale`: train only the kept weights of a network, in any loop."""

import math
from collections.abc import Mapping
from typing import TypeVar

from torch import Tensor, nn

from cops_core.arms import Scale
from cops_core.errors import InputError
from cops_core.masked.apply import apply_mask
from cops_core.masked.view import masked_weights

Network = TypeVar("Network", bound=nn.Module)


def freeze(model: Network, mask: Mapping[str, Tensor], *, decay: bool = False) -> Network:
    """Keep all weights outside the mask at their values: theta = theta0 (1 - m) + scatter(m, v).

    FreezeNet (arXiv 2011.14087). The network stays the same `nn.Module`; `model.parameters()` now has v, the
    kept values of each masked weight, of shape (kept, 1, ...), and everything that is not masked. So create
    the optimizer afterwards.

    Args:
        model: The network, with theta0 as its weights. It is changed in place.
        mask: Booleans by parameter name, as `select` returns them. Parameters that it does not name are
            trained completely.
        decay: Whether theta0 has a factor, a parameter of shape (1,) that starts at 1 and whose gradient is
            zero (FreezeNet-WD): SGD with weight decay lets it decay, and so does AdamW with decoupled weight
            decay. It then is one of `model.parameters()`, and must be in a group with weight decay.

    Returns:
        `model`.

    Raises:
        InputError: A mask of another network, or a network that is masked already.
    """
    return _masked(model, mask, Scale(1.0, decays=decay))


def prune(model: Network, mask: Mapping[str, Tensor]) -> Network:
    """Set all weights outside the mask to zero for good: theta = scatter(m, v).

    Args:
        model: See `freeze`.
        mask: See `freeze`.

    Returns:
        `model`.

    Raises:
        InputError: See `freeze`.
    """
    return _masked(model, mask, Scale(0.0))


def scale(model: Network, mask: Mapping[str, Tensor], factor: float) -> Network:
    """Keep all weights outside the mask at a factor of their values: factor theta0 (1 - m) + scatter(m, v).

    Args:
        model: See `freeze`.
        mask: See `freeze`.
        factor: In [0, 1]: 0 is `prune`, 1 is `freeze`.

    Returns:
        `model`.

    Raises:
        InputError: See `freeze`; or another factor.
    """
    if not (isinstance(factor, int | float) and math.isfinite(factor) and 0 <= factor <= 1):
        raise InputError(f"factor {factor!r}: write a number in [0, 1]")
    return _masked(model, mask, Scale(float(factor)))


def _masked(model: Network, mask: Mapping[str, Tensor], how: Scale) -> Network:
    if not isinstance(model, nn.Module):
        raise InputError(f"model is an object of type {type(model).__name__}: write a torch.nn.Module")
    if not isinstance(mask, Mapping) or not mask:
        raise InputError("the mask names no weight: pass what cops.select returns")
    apply_mask(model, mask, how)
    for weight in masked_weights(model).values():
        weight.kept.outside_sha256()  # so that `audit` has something to compare with
    return model
