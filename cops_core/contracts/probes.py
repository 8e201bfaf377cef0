"""Probes: whether a model was changed, whether it was run, and how often it was differentiated."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cops_core.contracts.base import require


def state(model: nn.Module) -> dict[str, Any]:
    """Everything that scoring must not change, as comparable values."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    gpu = next((tensor.device for _, tensor in tensors if tensor.is_cuda), None)
    return {
        "values": {name: (id(t), t.data_ptr(), t._version, t.detach().clone()) for name, t in tensors},
        "grad": {
            name: (id(p.grad), p.grad.clone()) for name, p in model.named_parameters() if p.grad is not None
        },
        "requires_grad": {name: p.requires_grad for name, p in model.named_parameters()},
        "modes": [module.training for module in model.modules()],
        "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
        "torch's random state": torch.get_rng_state(),
        "the GPU's random state": None if gpu is None else torch.cuda.get_rng_state(gpu),
        "numpy's random state": np.random.get_state(legacy=False),
        "Python's random state": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
    }


def same(before: Any, after: Any) -> bool:
    """Whether two nested values are equal, tensors and arrays bit for bit.

    Args:
        before: A tensor, array, mapping, tuple or other value.
        after: The value to compare.

    Returns:
        True if they are equal.
    """
    if isinstance(before, Tensor):
        return isinstance(after, Tensor) and before.dtype == after.dtype and torch.equal(before, after)
    if isinstance(before, np.ndarray):
        return bool(np.array_equal(before, after))
    if isinstance(before, Mapping):
        return before.keys() == after.keys() and all(same(before[key], after[key]) for key in before)
    if isinstance(before, tuple):
        return len(before) == len(after) and all(map(same, before, after))
    return bool(before == after)


@contextmanager
def unchanged_model(model: nn.Module) -> Iterator[None]:
    """A context that requires that the model and all random states are unchanged at its end.

    The model starts in a state that a careless component would change: with some gradients and mixed modes.
    The random state is one that no earlier call leaves.

    Args:
        model: The model.

    Raises:
        ContractError: Something has changed.
    """
    with torch.random.fork_rng():
        torch.manual_seed(11)
        for index, module in enumerate(model.modules()):
            module.training = index % 2 == 0
        first = next(p for p in model.parameters() if p.requires_grad)
        first.grad = torch.ones_like(first)
        before = state(model)
        yield
        after = state(model)
        changed = [part for part, value in before.items() if not same(value, after[part])]
        require(not changed, f"changes {', '.join(changed)}")


class ProbeError(RuntimeError):
    """Raised by a `Probe`."""


class Probe(nn.Module):
    """The identity, which raises ProbeError in one of its passes.

    Args:
        at: The pass: "forward", "backward", or "second" for the derivative of the backward pass.
    """

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at

    def forward(self, images: Tensor) -> Tensor:
        """The images themselves."""
        if self.at == "forward":
            raise ProbeError
        probed: Tensor = (_Backward if self.at == "backward" else _Once).apply(images)  # type: ignore[no-untyped-call]
        return probed


class _Backward(torch.autograd.Function):
    """The identity, whose backward pass raises."""

    generate_vmap_rule = True

    @staticmethod
    def forward(images: Tensor) -> Tensor:
        return images.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(_ctx: Any, _gradient: Tensor) -> Tensor:
        raise ProbeError


class _Once(_Backward):
    """The identity, which can be differentiated once: the derivative of its backward pass raises."""

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        passed: Tensor = _Backward.apply(gradient)  # type: ignore[no-untyped-call]
        return passed


def with_probe(model: nn.Module, at: str) -> nn.Module:
    """A sequential model with a probe before its last layer.

    Args:
        model: The sequential model.
        at: See `Probe`.

    Returns:
        A new model with the same layers.
    """
    layers = list(model.children())
    return nn.Sequential(*layers[:-1], Probe(at), layers[-1])
