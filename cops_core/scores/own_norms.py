"""Normalisation that a network's author wrote by hand, recognised by what it computes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cops_core.errors import InputError

SIZE = 1e3  # of the noise that shows the gain: a norm's epsilon then does not matter
CLOSE, ROUGH = 1e-5, 1e-3


@contextmanager
def norms_as_gain(model: nn.Module) -> Iterator[None]:
    """A context in which norms written by hand count as their gain, as torch's do in `LinearParts`.

    A layer without parts is one if its output has its input's shape, is the same for x and 2x, and depends at
    each place on the other places, too. Its gain is what is left after division by the normalised x.

    Args:
        model: The model, run inside of this context.

    Raises:
        InputError: While the model runs, at a layer that normalises in another way.
    """
    hooks = [
        module.register_forward_hook(partial(_as_gain, f"{name} ({type(module).__name__})"), with_kwargs=True)
        for name, module in model.named_modules()
        if not any(module.children())
        and not type(module).__module__.startswith("torch.nn.")
        and not isinstance(module, torch.jit.ScriptModule)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _as_gain(
    layer: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Tensor | None:
    """A hook: the output of a norm as its input times its gain; None leaves any other output."""
    signals = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
    if not (args and signals and isinstance(output, Tensor) and _may_be_a_norm(args[0], output)):
        return None

    def run(signal: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = module.forward(signal, *args[1:], **kwargs)
        return result

    if not _is_a_norm(run, args[0]):
        return None
    gain = _gain_of(run, args[0]) if len(signals) == 1 else None
    if gain is None:
        raise InputError(
            f"SynFlow does not know the gain of {layer}, which normalises in a way of its own:"
            " write a norm of torch there, or another score"
        )
    return signals[0] * gain.abs()


def _is_a_norm(run: Callable[[Tensor], Tensor], like: Tensor) -> bool:
    """Whether a function is the same for x, 2x and 1000x, and mixes the entries of x."""
    noise = _noise(like, 0)
    found = run(noise)
    if not all(_same(found, run(factor * noise), ROUGH) for factor in (2, SIZE)):
        return False
    # An activation that saturates, or a constant, does not change where x does not.
    changed = _noise(like, 1) > 0
    again = run(noise.where(~changed, 10 * noise))
    return not _same(found[~changed], again[~changed], ROUGH)


def _gain_of(run: Callable[[Tensor], Tensor], like: Tensor) -> Tensor | None:
    """By what a norm multiplies what it has normalised; None if no usual normalisation fits."""
    for dims in _dimensions(like.ndim):
        for centred in (False, True):
            gain, again = (
                (run(SIZE * noise) - run(-SIZE * noise)) / 2 / _normalised(noise, dims, centred=centred)
                for noise in (_noise(like, 0), _noise(like, 1))
            )
            if _same(gain, again, CLOSE):
                return gain
    return None


def _may_be_a_norm(signal: Any, output: Tensor) -> bool:
    return isinstance(signal, Tensor) and signal.is_floating_point() and signal.shape == output.shape


def _noise(like: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(like.shape, generator=generator, dtype=like.dtype).to(like.device)


def _same(one: Tensor, other: Tensor, close: float) -> bool:
    return torch.allclose(one, other, rtol=close, atol=close * float(one.abs().mean()))


def _dimensions(count: int) -> Sequence[tuple[int, ...]]:
    """Over which dimensions norms are taken: the last, the channels, an image, all but the samples."""
    found = [(count - 1,), (1,), tuple(range(2, count)), tuple(range(1, count))]
    return list(dict.fromkeys(dims for dims in found if dims and max(dims) < count))


def _normalised(signal: Tensor, dims: tuple[int, ...], *, centred: bool) -> Tensor:
    if centred:
        signal = signal - signal.mean(dims, keepdim=True)
    return signal / signal.square().mean(dims, keepdim=True).sqrt()
