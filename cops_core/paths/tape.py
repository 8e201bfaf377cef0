"""What a forward pass does: its operations in order, with the tensors that they read and write.

The operations are those below torch's interfaces (`torch.ops.aten`): a module, a function, an operator and a
method of a tensor are the same there, without gradients and in functions with a gradient of their own, too.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

# Operations that read a tensor's shape and type, not its values.
LIKE = frozenset(
    ("empty_like", "zeros_like", "ones_like", "full_like", "rand_like", "randn_like", "randint_like",
     "new_empty", "new_empty_strided", "new_zeros", "new_ones", "new_full")
)  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        function: A function of `torch.ops`.
        inputs: Its arguments by their names in torch's schema.
        read: The same, with copies of tensors of whole numbers and booleans: their values at that time.
        results: The tensors that it returned.
        written: The names of the arguments that it wrote to.
    """

    function: Any
    inputs: Mapping[str, Any]
    read: Mapping[str, Any]
    results: tuple[Tensor, ...]
    written: tuple[str, ...]

    @property
    def name(self) -> str:
        """The function's name, the same for its variants and for the one that works in place."""
        name: str = self.function.overloadpacket.__name__
        return name.strip("_") if self.function.namespace == "aten" else self.function.name()


@dataclass
class Tape:
    """The operations of a forward pass.

    Attributes:
        operations: In order.
        constants: By address of their memory, which elements are not zero, flat: of tensors that no operation
            has computed from others.
        outside: The tensors among them that came from outside of torch's operations, in order.
        output: What the model returned.
    """

    operations: list[Operation] = field(default_factory=list)
    constants: dict[int, Tensor] = field(default_factory=dict)
    outside: list[Tensor] = field(default_factory=list)
    output: Any = None


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Records operations inside this context.

    Args:
        sources: Tensors that exist before: the image, parameters, buffers.
    """

    def __init__(self, sources: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tape = Tape()
        # All tensors are kept: an address would otherwise be that of another tensor later.
        self._kept: dict[int, Tensor] = {address(tensor): tensor for tensor in sources}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func` and record it.

        Args:
            func: A function of `torch.ops`.
            types: Not used.
            args: The function's positional arguments.
            kwargs: The function's keyword arguments.

        Returns:
            The function's result.
        """
        function: Any = func
        kwargs = dict(kwargs or {})
        if function.namespace == "profiler":  # marks of times
            return func(*args, **kwargs)
        schema = function._schema.arguments
        inputs = {
            argument.name: args[place]
            if place < len(args)
            else kwargs.get(argument.name, argument.default_value)
            for place, argument in enumerate(schema)
        }
        written = tuple(a.name for a in schema if a.alias_info is not None and a.alias_info.is_write)
        for tensor in tensors_in(inputs):
            if address(tensor) not in self._kept and tensor.numel():
                self._keep(tensor)
                self.tape.constants[address(tensor)] = _not_zero(tensor)
                self.tape.outside.append(tensor.detach().clone())
        read = tree_map_only(Tensor, _copied, inputs)
        result = func(*args, **kwargs)
        results = tuple(tensors_in(result))
        # A parameter may get other memory later; its alias keeps this one.
        aliases = tree_map_only(Tensor, Tensor.detach, inputs)
        operation = Operation(function, aliases, read, tuple(t.detach() for t in results), written)
        for tensor in results:
            if address(tensor) not in self._kept and tensor.numel():
                self._keep(tensor)
                if operation.name in LIKE or not any(True for _ in tensors_in(inputs)):
                    empty = "empty" in operation.name
                    self.tape.constants[address(tensor)] = _not_zero(
                        torch.zeros_like(tensor) if empty else tensor
                    )
        self.tape.operations.append(operation)
        return result

    def _keep(self, tensor: Tensor) -> None:
        self._kept[address(tensor)] = tensor


def address(tensor: Tensor) -> int:
    """The address of a tensor's memory, which its views share."""
    return tensor.untyped_storage().data_ptr()


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors in nested values."""
    return (leaf for leaf in tree_flatten(values)[0] if isinstance(leaf, Tensor))


def difference(first: Tape, second: Tape) -> str | None:
    """Why two passes with other values are not the same operations; None if they are.

    Args:
        first: A tape.
        second: The tape of other images and weights.

    Returns:
        What differs, in words.
    """
    names = [[operation.function for operation in tape.operations] for tape in (first, second)]
    if names[0] != names[1]:
        return "its operations depend on values"
    for one, other in zip(first.operations, second.operations, strict=True):
        settings, others = (
            [_setting(leaf) for leaf in tree_flatten(dict(o.inputs))[0]] for o in (one, other)
        )
        if settings != others:
            return f"an argument of {one.name} depends on values"
    pairs = zip(first.outside, second.outside, strict=False)
    if len(first.outside) != len(second.outside) or not all(torch.equal(a, b) for a, b in pairs):
        return "values pass through something else than torch's operations"
    return None


def _setting(leaf: Any) -> Any:
    """An argument as a comparable value: of a tensor, its shape and type."""
    return (tuple(leaf.shape), leaf.dtype) if isinstance(leaf, Tensor) else repr(leaf)


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach() if tensor.is_floating_point() or tensor.is_complex() else tensor.clone()


def _not_zero(tensor: Tensor) -> Tensor:
    """Which elements of a tensor's memory are not zero, flat, as float64."""
    size = tensor.untyped_storage().nbytes() // tensor.element_size()
    return (tensor.detach().as_strided((size,), (1,), 0) != 0).double()
