"""Random weights and buffers for a model, and whether its outputs are then the same for every image."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from cops_core.prunable import maskable
from cops_core.scores.isolation import isolated

IMAGES, DRAWS = 8, 3
ROUNDING = 1e-6  # of the largest output


@contextmanager
def drawn(model: nn.Module, mask: Mapping[str, Tensor], seed: int) -> Iterator[None]:
    """A context in which a model has random weights, zero outside a mask. Afterwards it is unchanged.

    Weights have the size at which signals keep theirs; other parameters are moved from their values. The
    model's own parameters are used, so that whatever else refers to them reads the same.

    Args:
        model: The model.
        mask: True where a weight is kept, by parameter name; weights that it does not name are kept.
        seed: Of the draws.
    """
    generator = torch.Generator().manual_seed(seed)
    tensors = [*model.parameters(), *model.buffers()]
    saved = [tensor.data for tensor in tensors]
    weights = maskable(model)
    try:
        for name, parameter in model.named_parameters():
            parameter.data = _draw(parameter, mask.get(name), name in weights, generator)
        for buffer in model.buffers():
            buffer.data = buffer.data.clone()
        yield
    finally:
        for tensor, data in zip(tensors, saved, strict=True):
            tensor.data = data


def _draw(parameter: nn.Parameter, kept: Tensor | None, weight: bool, generator: torch.Generator) -> Tensor:
    old = parameter.data
    if not old.is_floating_point():
        return old.clone()
    draws = torch.randn(old.shape, generator=generator).to(old)
    keep = torch.ones_like(old, dtype=torch.bool) if kept is None else kept.bool().to(old.device)
    if weight:
        inputs = float(keep.sum()) / max(1, old.shape[0])
        return (draws * math.sqrt(2 / max(1.0, inputs))).masked_fill(~keep, 0)
    return (old + 0.1 * draws).masked_fill(~keep, 0)


def seen_constant(model: nn.Module, shape: tuple[int, ...], mask: Mapping[str, Tensor]) -> bool:
    """Whether the outputs of random images are the same, for random weights under a mask.

    Args:
        model: The model; unchanged afterwards.
        shape: (channels, height, width) of an image.
        mask: True where a weight is kept, by parameter name.

    Returns:
        True if no output differs from image to image, up to rounding.
    """
    return all(_same(model, shape, mask, seed) for seed in range(DRAWS))


def _same(model: nn.Module, shape: tuple[int, ...], mask: Mapping[str, Tensor], seed: int) -> bool:
    outputs = []
    with drawn(model, mask, seed):
        for part in range(2):
            # The same random state for both: a layer may draw in eval mode, too.
            with isolated(model, "eval", seed=seed), torch.no_grad():
                outputs.append(model(images_for(model, shape, IMAGES, DRAWS * part + seed)))
    one, other = outputs
    return bool((one - other).abs().max() <= ROUNDING * one.abs().max())  # False if one is not a number


def images_for(model: nn.Module, shape: tuple[int, ...], count: int, seed: int) -> Tensor:
    """Images of noise in the type and on the device of a model.

    Args:
        model: The model.
        shape: (channels, height, width) of an image.
        count: The number of images.
        seed: Of the noise.

    Returns:
        The images, shape (count, *shape).
    """
    first = next(model.parameters())
    noise = torch.randn((count, *shape), generator=torch.Generator().manual_seed(seed))
    return noise.to(first.device, first.dtype)
