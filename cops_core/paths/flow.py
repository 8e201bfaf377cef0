"""What of each tensor of a forward pass may vary with the image, or be other than zero."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor

from cops_core.paths.tape import address

NO_FLOW = 1e-9
"""Values up to this count as no flow. A flow is a count of at least 1, or an average of counts, so at least
1 / positions; without flow there may be a rounding error of about 1e-13 (a convolution by FFT)."""


class Kind(IntEnum):
    """What a tensor's values depend on. The result of an operation has the highest kind of its arguments."""

    FIXED = 0
    TRAINED = 1  # on parameters or buffers, not on the image
    VARIES = 2  # on the image


@dataclass(frozen=True)
class Flow:
    """What of a tensor matters.

    Attributes:
        values: Of the tensor's shape, float64, not negative. Of a kind that does not vary: positive where the
            element may be other than zero. Of one that varies: positive where the element may depend on the
            image; the others are the same for every image, and zero or not.
        kind: What the values depend on.
    """

    values: Tensor
    kind: Kind

    def of(self, kind: Kind) -> Tensor:
        """The values as part of a tensor of a kind, 1 or 0.

        What does not vary adds nothing that varies. Its gradient passes: a bias is reached from the outputs,
        though nothing of the image reaches it.

        Args:
            kind: The kind, at least this flow's.

        Returns:
            The values.
        """
        values = signal(self.values)
        return values - values.detach() if self.kind < kind == Kind.VARIES else values


class Signal(torch.autograd.Function):
    """1 where there is any flow, else 0; the same for the gradient in the backward pass.

    So nothing overflows or underflows in deep or wide networks.
    """

    @staticmethod
    def forward(_: Any, flow: Tensor) -> Tensor:
        """1 where `flow`, float64 of any shape, is not zero."""
        return (flow > NO_FLOW).to(flow.dtype)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        """1 where the gradient, of the flow's shape, is not zero."""
        return (gradients[0] > NO_FLOW).to(gradients[0].dtype)


def signal(flow: Tensor) -> Tensor:
    """`Signal` of a tensor of any shape."""
    result: Tensor = Signal.apply(flow)  # type: ignore[no-untyped-call]
    return result


@dataclass(frozen=True)
class _Memory:
    """The flow of a storage, flat, and the size in bytes of an element of its tensors."""

    values: Tensor
    kind: Kind
    item: int


class Flows:
    """The flow of every tensor, by the memory that it shares with its views.

    Args:
        constants: By address, the flow of memory that no operation has computed from other tensors, flat.
    """

    def __init__(self, constants: Mapping[int, Tensor]) -> None:
        self._constants = constants
        self._memory: dict[int, _Memory] = {}

    def kind(self, tensors: Iterable[Tensor]) -> Kind:
        """The highest kind of some tensors."""
        return max((self._find(tensor).kind for tensor in tensors if tensor.numel()), default=Kind.FIXED)

    def read(self, tensor: Tensor) -> Flow:
        """The flow of a tensor that has one."""
        if not tensor.numel():
            return Flow(torch.zeros(tensor.shape, dtype=torch.float64, device=tensor.device), Kind.FIXED)
        memory = self._find(tensor)
        if memory.item != tensor.element_size():  # the same bits in another type
            return Flow(memory.values.sum().expand(tensor.shape), memory.kind)
        if tensor.is_contiguous() and tensor.numel() == memory.values.numel():
            return Flow(memory.values.view(tensor.shape), memory.kind)
        return Flow(memory.values[_positions(tensor, memory.values.numel())], memory.kind)

    def write(self, tensor: Tensor, flow: Flow) -> None:
        """Set the flow of a tensor, which may be a view of a larger one.

        Args:
            tensor: The tensor.
            flow: Its flow, with the tensor's shape.
        """
        if not tensor.numel():  # all empty tensors have the same address
            return
        place = address(tensor)
        item = tensor.element_size()
        values = flow.values
        size = tensor.untyped_storage().nbytes() // item
        if not (tensor.is_contiguous() and tensor.numel() == size):
            old = self._memory.get(place)
            if old is None:
                old = _Memory(values.new_zeros(size), flow.kind, item)
            kind = max(old.kind, flow.kind)
            whole = Flow(old.values, old.kind).of(kind)
            values = flow.of(kind)
            if old.item != item:
                values = whole + values.sum()
            else:
                values = whole.index_put((_positions(tensor, size),), values)
            flow, item = Flow(values, kind), old.item
        self._memory[place] = _Memory(flow.values.reshape(-1), flow.kind, item)

    def _find(self, tensor: Tensor) -> _Memory:
        place = address(tensor)
        if place not in self._memory and place in self._constants:
            self._memory[place] = _Memory(self._constants[place], Kind.FIXED, tensor.element_size())
        return self._memory[place]


def _positions(tensor: Tensor, size: int) -> Tensor:
    """The positions of a tensor's elements in its memory, of the tensor's shape."""
    places = torch.arange(size, device=tensor.device)
    return places.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
