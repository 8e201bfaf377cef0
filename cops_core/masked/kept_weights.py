"""One weight of which only some values are trained: theta = scale theta0 (1 - m) + scatter(m, v)."""

import hashlib
from collections.abc import Callable
from threading import Lock
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from cops_core.errors import DriftError, InputError
from cops_core.masked.draws import Draw
from cops_core.masked.products import SparseProducts
from cops_core.tensor_bytes import tensor_bytes

# Threads may run one model at the same time, e.g. to serve it.
_WRITING = Lock()


class KeptWeights(nn.Module):
    """The function from v to theta, for `torch.nn.utils.parametrize`.

    v is the only parameter, besides a decaying scale. theta is computed whenever it is read, from v as it is
    then: a parameter may change in ways that no counter shows. Everything of theta's size is a plain
    attribute, not a buffer: DistributedDataParallel sends all buffers in every forward pass.

    v has as many dimensions as theta, all of size 1 but the first: rules that tell weights from biases by
    their dimensions (no weight decay for vectors) then treat v as a weight.

    Args:
        weight: theta0. What it holds outside the mask is kept.
        keep: The mask, of the same shape, on any device.
        factor: Of theta0 outside the mask.
        scale: If given, the factor is this parameter, of shape (1,). Its gradient is zero, so that an
            optimizer changes it by weight decay only (FreezeNet-WD).

    Attributes:
        places: Positions of v in the flattened theta, ascending, int64 of shape (kept,).
        shape: theta's.
        factor: Of theta0 outside the mask, where it is constant.
        products: Products for a linear layer that cost as much as v is large; None without.
        hooks: Gradient hooks of theta.
        draw: How theta0 was drawn, as far as it is noted.
    """

    def __init__(
        self, weight: Tensor, keep: Tensor, factor: float, scale: nn.Parameter | None = None
    ) -> None:
        super().__init__()
        values = weight.detach().contiguous()  # positions assume it; a model may have another order
        keep = keep.to(values.device)
        self.places = keep.reshape(-1).nonzero().squeeze(1)
        self.shape = values.shape
        self.factor = factor
        self.products: SparseProducts | None = None
        self.hooks: list[Callable[[Tensor], Tensor | None]] = []
        self.draw: Draw | None = None
        self.scale = scale
        self._sha256 = ""
        self._converted_sha256 = ""
        self._own: tuple[Tensor, ...] = ()
        self._written = self._counted = (0, 0)
        # theta itself; where the scale decays, theta0 outside the mask and zeros inside.
        if scale is not None:
            self._theta0 = values.masked_fill(keep, 0)
            self._dense = values.clone()
        else:
            scaled = values * factor if factor else torch.zeros_like(values)
            self._theta0 = self._dense = torch.where(keep, values, scaled)

    @property
    def vector_shape(self) -> tuple[int, ...]:
        """v's shape."""
        return (len(self.places), *(1 for _ in self.shape[1:]))

    def own(self, v: Tensor) -> None:
        """Say which tensor is v, as long as no caller swaps it for another one."""
        self._own = (v,)

    def is_own(self, v: Tensor) -> bool:
        """Whether a tensor is v itself, not what a functional call or a sharded trainer has put there."""
        return bool(self._own) and v is self._own[0]

    def right_inverse(self, weight: Tensor) -> Tensor:
        """v of a weight, when it is masked; later assignments to the weight are refused.

        Args:
            weight: theta0; or v already, of a weight that several modules share.

        Returns:
            The kept values, of shape `vector_shape`.

        Raises:
            InputError: Something assigns to the masked weight.
        """
        if self._own:
            raise InputError(
                "a masked weight cannot be assigned: change parametrizations.<name>.original, its kept"
                " values, or call cops.materialize(model) first"
            )
        if weight.shape == self.vector_shape and weight.numel() != self.shape.numel():
            return weight.detach()
        return weight.detach().reshape(-1)[self.places].view(self.vector_shape)

    def forward(self, v: Tensor) -> Tensor:
        """theta, of shape `shape`.

        Args:
            v: The kept values, of shape `vector_shape`.
        """
        v = v.full_tensor() if hasattr(v, "full_tensor") else v
        if self.in_place(v):
            theta: Tensor = _Written.apply(v, self.scale, self)  # type: ignore[no-untyped-call]
        else:
            theta = self._computed(v)
        if self.hooks and theta.requires_grad:
            for hook in self.hooks:
                theta.register_hook(hook)  # type: ignore[no-untyped-call]
        return theta

    def in_place(self, v: Tensor) -> bool:
        """Whether v may be written into a tensor that stays, which costs as much as v is large.

        Not so while a compiler or a tracer records, in transforms of `torch.func`, with forward-mode
        derivatives, for tensors of the inference mode, and for a v that is not its own.
        """
        return (
            not torch.compiler.is_compiling()
            and self.is_own(v)
            and v.device == self._dense.device
            and v.dtype == self._dense.dtype
            and torch._C._functorch.peek_interpreter_stack() is None
            and forward_ad._current_level < 0
            and not (v.is_inference() or self._dense.is_inference())
            and torch._C._get_tracing_state() is None
        )

    def _computed(self, v: Tensor) -> Tensor:
        """theta as a function of v, made anew."""
        outside = self._theta0.to(v.device, v.dtype)
        places = self.places.to(v.device)
        if self.scale is not None:
            outside = outside * _constant(self.scale)
        return outside.view(-1).index_copy(0, places, v.reshape(-1)).view(self.shape)

    def written(self, v: Tensor) -> Tensor:
        """theta in the tensor that stays, without a gradient. Only for a v of which `in_place` is true.

        If v has changed, a backward pass through what was read before raises an error, as it would for a
        plain parameter. If it has not, the same values are written again, and nothing is counted as changed.

        Raises:
            DriftError: Somebody else has changed the tensor since.
        """
        dense = self._dense
        with _WRITING, torch.no_grad():
            # With their ids, since a copy's counters start anew.
            if self._counted[0] == id(dense) and self._counted[1] != dense._version:
                raise DriftError(
                    "a masked weight was changed in place, its frozen values too: change"
                    " parametrizations.<name>.original, its kept values, or call cops.materialize(model)"
                    " first"
                )
            version = id(v), v._version + (0 if self.scale is None else self.scale._version)
            target = dense if version != self._written else dense.data
            if self.scale is not None:
                torch.mul(self._theta0, self.scale, out=target)
            target.view(-1).index_copy_(0, self.places, v.reshape(-1))
            self._written, self._counted = version, (id(dense), dense._version)
        return dense.detach()

    def current(self, v: Tensor) -> Tensor:
        """theta as it would be read, in a new tensor, whatever somebody else has changed in place."""
        with torch.no_grad():
            return self._computed(v)

    def current_factor(self) -> float:
        """The factor of theta0 outside the mask, now."""
        return self.factor if self.scale is None else float(self.scale.detach())

    @property
    def outside_is_zero(self) -> bool:
        """Whether all weights outside the mask are zero."""
        return self.scale is None and not self.factor

    def move(self, places: Tensor) -> None:
        """Train other places than before, of a weight that is zero outside the mask. v is set by the caller.

        Args:
            places: As many as before, ascending, int64 on the weight's device.

        Raises:
            ValueError: Their number is another, or the weight is not zero outside the mask.
        """
        if places.shape != self.places.shape or not self.outside_is_zero:
            raise ValueError(f"{len(places)} places of a weight with {self.extra_repr()}")
        self._dense.view(-1).index_fill_(0, self.places, 0)
        self.places = places
        if self.products is not None:
            self.products = self.products.at(places)
        self._written = self._counted = (0, 0)

    def restore(self, factor: float, outside_sha256: str) -> None:
        """What a file says of this weight, which has its values outside the mask already.

        Args:
            factor: Of theta0 outside the mask.
            outside_sha256: See `outside_sha256`.
        """
        now = self.outside_sha256()
        self.factor, self._sha256 = factor, outside_sha256
        self._converted_sha256 = now if now != outside_sha256 else ""

    def outside(self) -> Tensor:
        """What is outside the mask, with zeros inside: scale theta0, or theta0 where the scale decays."""
        return self._theta0.reshape(-1).index_fill(0, self.places, 0).view(self.shape)

    def outside_sha256(self) -> str:
        """SHA-256 of `outside` in the type in which the weight was masked; empty if that is all zeros."""
        if self.outside_is_zero:
            return ""
        if not self._sha256:
            self._sha256 = _sha256(self.outside())
        return self._sha256

    def has_drifted(self) -> bool:
        """Whether what is outside the mask is another than when `outside_sha256` was first called."""
        before = self._converted_sha256 or self.outside_sha256()
        now = self.outside()
        if not before:
            return bool(now.any())
        return _sha256(now) != before

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert all tensors, as `nn.Module.to` does with parameters and buffers."""
        places = fn(self.places)
        if not places.is_meta and (self.places.is_meta or not torch.equal(places.cpu(), self.places.cpu())):
            raise InputError("to_empty would lose the mask and the frozen values: give it the plain model")
        converted = fn(self._theta0.new_empty(0)).dtype != self._theta0.dtype
        # Of the original values. A change before the conversion must stay visible after it.
        drifted = converted and self.has_drifted()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        same = self._theta0 is self._dense
        # Positions assume the order of a contiguous tensor; `fn` may ask for channels last.
        self._theta0 = fn(self._theta0).contiguous()
        self._dense = self._theta0 if same else fn(self._dense).contiguous()
        if converted and self._sha256:
            self._converted_sha256 = "drifted" if drifted else _sha256(self.outside())
        self.places = places
        self._written = self._counted = (0, 0)
        return self

    def extra_repr(self) -> str:
        """The numbers of kept and of all values, and the factor."""
        factor = "decaying" if self.scale is not None else f"{self.factor:g}"
        return f"kept={len(self.places)} of {self.shape.numel()}, scale={factor}"


def _sha256(values: Tensor) -> str:
    return hashlib.sha256(tensor_bytes(values)).hexdigest()


def _constant(scale: Tensor) -> Tensor:
    """The scale, with a zero gradient instead of none: an optimizer skips parameters without a gradient."""
    return scale.detach() + (scale - scale.detach()) * 0


class _Written(torch.autograd.Function):
    """theta from v, which is written into a tensor that stays."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, scale: Tensor | None, kept: KeptWeights) -> Tensor:
        ctx.places, ctx.vector_shape = kept.places, v.shape
        ctx.zero = None if scale is None else torch.zeros_like(scale)
        ctx.save_for_backward(v)
        return kept.written(v)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor | None, None]:
        _ = ctx.saved_tensors  # an error if v has changed since, as of a plain parameter
        gradient = gradients[0].reshape(-1).index_select(0, ctx.places)
        return gradient.view(ctx.vector_shape), ctx.zero, None
