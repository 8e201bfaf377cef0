"""Contexts in which torch's functions are replaced by others with the same values."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import FunctionType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import multi_head_attention_forward, relu6
from torch.overrides import TorchFunctionMode

RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
TO_A_TYPE = ("float", "half", "bfloat16", "double")


# Functions of torch that call others. A mode receives them as one call, and is left before they are run: it
# would not see the softmax of an attention layer, nor what a checkpointed layer computes in a backward pass.
OF_FUNCTIONS: tuple[Any, ...] = (multi_head_attention_forward, torch.autograd.grad)


@cache
def opened(function: FunctionType) -> FunctionType:
    """The same function of torch, not received as one call by a mode: the mode sees the functions in it.

    Args:
        function: One of `OF_FUNCTIONS`.

    Returns:
        Its own code, in which no argument has functions of its own.
    """
    asks = [name for name in function.__code__.co_names if name.startswith("has_torch_function")]
    never = dict.fromkeys(asks, lambda *_: False)
    names = {**function.__globals__, **never}
    copy = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


class InDouble(TorchFunctionMode):
    """Inside this context a network is computed in float64, also where its code names another precision.

    A network is converted by converting its tensors. That leaves what its code writes: `images.float()`, a
    tensor that is neither parameter nor buffer, `torch.zeros(...)`, `dtype=torch.float32`. Here all of these
    are float64. In-place functions keep the type of what they change.
    """

    def __enter__(self) -> Self:
        """Make float64 the type of new tensors."""
        self._before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Restore the type of new tensors."""
        super().__exit__(kind, error, traceback)  # type: ignore[no-untyped-call]
        torch.set_default_dtype(self._before)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func` on arguments in float64."""
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        if name in ("__get__", "__set__"):
            return func(*args, **kwargs)
        if name in TO_A_TYPE:
            return args[0].to(torch.float64)
        in_place = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        kept = args[:1] if in_place else ()
        wide = [_wide(value) for value in args[len(kept) :]]
        return func(*kept, *wide, **{key: _wide(value) for key, value in kwargs.items()})


def _wide(value: Any) -> Any:
    """A tensor or type in float64, also inside of lists; anything else as it is."""
    if isinstance(value, Tensor):
        return value.to(torch.float64) if value.is_floating_point() else value
    if isinstance(value, torch.dtype):
        return torch.float64 if value.is_floating_point else value
    if type(value) in (list, tuple):
        return type(value)(_wide(entry) for entry in value)
    return value


class TwiceDifferentiable(TorchFunctionMode):
    """Inside this context functions without a second derivative in torch are computed by others with one.

    Recurrent layers are run without cuDNN. Fused attention is no function of its own: see `sdpa_kernel`.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, or a composition of others."""
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        if name == "hardsigmoid":
            images = args[0] if args else kwargs["input"]
            return relu6(images + 3) / 6
        if func in OF_FUNCTIONS:
            with self:
                return opened(func)(*args, **kwargs)
        if name in RECURRENT:
            with torch.backends.cudnn.flags(enabled=False):
                return func(*args, **kwargs)
        return func(*args, **kwargs)
