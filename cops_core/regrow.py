"""RigL: which weights are dropped and grown during the training (Evci et al. 2020, arXiv 1911.11134).

At step t = n, 2 n, ... < T_end, instead of a step of the optimizer, each layer l with kappa_l kept weights

    drops    the k_l kept weights with the smallest |theta|,   k_l = floor(f(t) kappa_l)
    grows    the k_l weights outside of the remaining ones with the largest |dL / d theta| of the batch
    f(t) = alpha / 2 (1 + cos(pi t / T_end)),   T_end = until * all steps, rounded

as in the paper's algorithm 1. So a weight that was just dropped may be grown again; it then keeps its value
and its momentum, as in the authors' code. Other grown weights start at 0, and so does all that the optimizer
knows of them. Of equal values, those with the lower index stay and are grown first. At t = 0, where no weight
is trained yet, the mask stays.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from cops_core.config import Regrow
from cops_core.errors import InputError
from cops_core.freeze_net import FreezeNet
from cops_core.mask import top_kappa
from cops_core.masked.view import MaskedWeight


def last_step(regrow: Regrow, steps: int) -> int:
    """T_end: the first step from which the mask stays.

    Args:
        regrow: How the mask changes.
        steps: Of the whole training.
    """
    return round(regrow.until * steps)


def changes_at(regrow: Regrow, step: int, steps: int) -> bool:
    """Whether a step changes the mask instead of training.

    Args:
        regrow: How the mask changes.
        step: The number of steps before it.
        steps: Of the whole training.
    """
    return step > 0 and step % regrow.every == 0 and step < last_step(regrow, steps)


def changes_of(regrow: Regrow, steps: int) -> int:
    """How many steps of a training change the mask.

    Args:
        regrow: How the mask changes.
        steps: Of the whole training.
    """
    return max(0, last_step(regrow, steps) - 1) // regrow.every


def check_changes(regrow: Regrow, steps: int) -> None:
    """Check that a training is long enough.

    Args:
        regrow: How the mask changes.
        steps: Of the whole training.

    Raises:
        InputError: The mask would never change.
    """
    if not changes_of(regrow, steps):
        raise InputError(
            f"regrow {regrow} never changes a mask in {steps:,} steps: write a smaller `every`, or train for"
            " more epochs"
        )


def fraction_at(regrow: Regrow, step: int, steps: int) -> float:
    """f(t), in [0, fraction].

    Args:
        regrow: How the mask changes.
        step: t, at most T_end.
        steps: Of the whole training.
    """
    return regrow.fraction / 2 * (1 + math.cos(math.pi * step / last_step(regrow, steps)))


@contextmanager
def dense_gradients(network: FreezeNet) -> Iterator[Mapping[str, Tensor]]:
    """A context in which a backward pass computes the gradients of whole weights, not of the kept ones alone.

    Args:
        network: The network.

    Yields:
        The gradients by parameter name, filled by the backward pass. A weight without a gradient is missing.
    """
    found: dict[str, Tensor] = {}

    def note(name: str, gradient: Tensor) -> None:
        # A weight that is read several times has a gradient of each.
        found[name] = found[name] + gradient if name in found else gradient.detach()

    hooks = {name: partial(note, name) for name in network.masked}
    for name, hook in hooks.items():
        network.masked[name].kept.hooks.append(hook)
    try:
        yield found
    finally:
        for name, hook in hooks.items():
            network.masked[name].kept.hooks.remove(hook)


def change_mask(
    network: FreezeNet, optimizer: Optimizer, gradients: Mapping[str, Tensor], fraction: float
) -> None:
    """Drop and grow weights in each layer.

    Args:
        network: The network, with zeros outside its mask.
        optimizer: Of its parameters.
        gradients: Of whole weights, by parameter name. Layers without a gradient stay as they are.
        fraction: f(t), in [0, 1].
    """
    for name, gradient in gradients.items():
        masked = network.masked[name]
        count = math.floor(fraction * masked.values.numel())
        if count:
            _change(masked, optimizer, gradient, count)


def _change(masked: MaskedWeight, optimizer: Optimizer, gradient: Tensor, count: int) -> None:
    before = masked.kept.places
    values = masked.values.detach().view(-1)
    stays = _highest(values.abs(), len(before) - count)
    candidates = gradient.reshape(-1).abs().index_fill(0, before[stays], -1)
    after = torch.cat([before[stays], _highest(candidates, count).nonzero().squeeze(1)]).sort().values
    # Where each value comes from. Both are ascending.
    place = torch.searchsorted(before, after).clamp_(max=len(before) - 1)
    known = before[place] == after
    masked.kept.move(after)
    state = optimizer.state.get(masked.values, {}).values()
    moments = [each for each in state if isinstance(each, Tensor) and each.shape == masked.values.shape]
    with torch.no_grad():
        for tensor in (masked.values, *moments):
            flat = tensor.view(-1)
            flat.copy_(torch.where(known, flat[place], torch.zeros_like(flat)))


def _highest(numbers: Tensor, count: int) -> Tensor:
    """Which numbers are the highest, as booleans; of equal ones those with the lower index. NaN is low."""
    # On the CPU, where equal numbers have an order. There are few such steps.
    found = np.nan_to_num(numbers.cpu().numpy(), nan=-0.5)  # a gradient of a training that diverges
    return torch.from_numpy(top_kappa(found, count)).to(numbers.device)
