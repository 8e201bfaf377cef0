"""What a score returned, checked before it is used: a plugin may return anything."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cops_core.errors import InputError, listed
from cops_core.scores.problem import Problem


def checked_values(score: str, found: Any, problem: Problem, *, signed: bool) -> dict[str, Tensor]:
    """A score's values, keyed like the weights.

    Args:
        score: The score's name, for messages.
        found: What its `compute` returned.
        problem: What it was computed on.
        signed: Whether values may be negative.

    Returns:
        The values by parameter name, in the order of the weights, each detached, on its weight's device and
        in memory of its own.

    Raises:
        InputError: Something else than one finite number per weight; the message names score and layer.
    """
    weights = problem.network.whole
    if not isinstance(found, Mapping):
        raise _wrong(score, f"returns {_kind(found)}", "a dict of tensors by parameter name")
    if missing := [name for name in weights if name not in found]:
        raise _wrong(score, f"has no values of {listed(missing)}", "a tensor for each weight")
    if more := [str(name) for name in found if name not in weights]:
        raise _wrong(score, f"has values of {listed(more)}, where nothing is pruned", "only the weights")
    seen = problem.own_memory()
    values = {name: _layer(score, name, found[name], weight, seen) for name, weight in weights.items()}
    # NaN and infinity are seen in the extremes, in one pass. One transfer for all layers, since each transfer
    # from a GPU waits for its pending work.
    device = problem.network.device
    extremes = [torch.stack(layer.aminmax()).to(device) for layer in values.values()]
    bounds = dict(zip(values, torch.stack(extremes).tolist(), strict=True))
    if broken := [name for name, pair in bounds.items() if not all(map(math.isfinite, pair))]:
        raise InputError(
            f"score {score!r} is not finite in {listed(broken)}:"
            " check the weights and images for NaN and overflow"
        )
    if negative := [name for name, (low, _) in bounds.items() if low < 0 and not signed]:
        raise _wrong(score, f"is negative in {listed(negative)}", "signed=True into its traits, or abs()")
    return values


def check_unchanged(score: str, problem: Problem) -> None:
    """Check that a score has not written into what other scores, and the trial, read too.

    Args:
        score: The score's name, for the message.
        problem: What the score was computed on.

    Raises:
        InputError: A parameter, a buffer, an image or a gradient was changed in place.
    """
    if changed := problem.changed():
        raise _wrong(score, f"changes {listed(changed)} in place", "into a copy, e.g. weight.abs()")


def _layer(score: str, name: str, found: Any, weight: Tensor, seen: set[int]) -> Tensor:
    """One layer's values; `seen` are the addresses of memory that is in use already."""
    if not isinstance(found, Tensor):
        raise _wrong(score, f"has {_kind(found)} for {name}", "a tensor")
    layer: Tensor = found.detach()
    if layer.layout != torch.strided:
        raise _wrong(score, f"has a tensor of layout {layer.layout} for {name}", "a dense one")
    if not layer.is_floating_point():
        raise _wrong(score, f"has values of type {layer.dtype} for {name}", "e.g. values.to(torch.float32)")
    if layer.shape != weight.shape:
        shapes = f"{_shape(layer)} for {name}, whose weights have the shape {_shape(weight)}"
        raise _wrong(score, f"has values of the shape {shapes}", "one value for each weight, in its place")
    layer = layer.to(weight.device)
    storage = layer.untyped_storage()
    if storage.data_ptr() in seen or storage.nbytes() != layer.numel() * layer.element_size():
        layer = layer.clone(memory_format=torch.contiguous_format)
    seen.add(layer.untyped_storage().data_ptr())
    return layer


def _wrong(score: str, complaint: str, instead: str) -> InputError:
    return InputError(f"score {score!r} {complaint}: write {instead}")


def _kind(value: object) -> str:
    return f"an object of type {type(value).__name__}"


def _shape(tensor: Tensor) -> Sequence[int]:
    return tuple(tensor.shape)
