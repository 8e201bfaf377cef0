"""How a network is built: with the values that its author gives it, under a trial's seed.

Weights of convolution and linear layers are drawn by the project afterwards (see `cops_core.initialization`).
All other parameters and all buffers keep what the author's code has put there. What it draws from the global
generators, it draws under the trial's seed. The one exception: biases of convolution and linear layers that
the author has left as torch drew them are zero.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from cops_core.generators import seeded_generators

DRAWING: tuple[type[nn.Module], ...] = (nn.Linear, nn.modules.conv._ConvNd)
RESET = "reset_parameters"  # the method in which torch's layers draw their values


def construct(build: Callable[[], nn.Module], shape: tuple[int, ...], seed: int) -> nn.Module:
    """Build a network under a seed.

    Args:
        build: Returns the network.
        shape: (channels, height, width) of an image; layers that wait for their first input receive zeros.
        seed: The trial's, in [0, 2**32).

    Returns:
        The network, with weights of convolution and linear layers as its author or torch has drawn them.
    """
    with seeded_generators(seed, "construction"), _zero_biases(), _filled_memory():
        model = build()
        if isinstance(model, nn.Module) and any(map(is_lazy, (*model.parameters(), *model.buffers()))):
            modes = [(module, module.training) for module in model.modules()]
            with torch.no_grad():
                model.eval()(torch.zeros((2, *shape)))
            for module, mode in modes:
                module.training = mode
    return model


@contextmanager
def _zero_biases() -> Iterator[None]:
    """A context in which biases of new convolution and linear layers are zero, not what torch draws.

    Only where torch draws them can they be distinguished from biases that an author has chosen. torch still
    draws: what is drawn afterwards does not depend on this.
    """
    originals = [(layer, vars(layer)[RESET]) for layer in DRAWING]
    for layer, original in originals:
        setattr(layer, RESET, _then_zero(original))
    try:
        yield
    finally:
        for layer, original in originals:
            setattr(layer, RESET, original)


def _then_zero(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def reset_parameters(self: Any) -> None:
        original(self)
        if self.bias is not None and not is_lazy(self.bias):
            nn.init.zeros_(self.bias)

    return reset_parameters


@contextmanager
def _filled_memory() -> Iterator[None]:
    """A context in which new tensors without values (`torch.empty`) are NaN, not what was in memory."""
    before = torch.get_deterministic_debug_mode()
    if before == 0:  # torch then fills them by default
        # The same without the import of torch's compiler, which takes a second.
        torch.set_deterministic_debug_mode("warn")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def set_type(model: nn.Module, dtype: torch.dtype) -> None:
    """Convert a network to the type in which it is trained, in place.

    All real parameters become of this type, and so do the buffers of normalisation layers and those of the
    type in which the network was built. Other buffers, and complex parameters, keep their type.

    Args:
        model: The network, as it was built.
        dtype: float32 or float64.
    """
    built = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
    usual = torch.float32 if torch.float32 in built or not built else min(built, key=str)
    for module in model.modules():
        for parameter in module.parameters(recurse=False):
            if parameter.is_floating_point():
                parameter.data = parameter.data.to(dtype)
        for buffer in module.buffers(recurse=False):
            follows = buffer.dtype == usual or isinstance(module, _NormBase)
            if follows and buffer.is_floating_point():
                buffer.data = buffer.data.to(dtype)  # the same tensor: modules may share it
