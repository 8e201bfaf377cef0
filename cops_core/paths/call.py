"""An operation with what of its arguments may vary: what a rule reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cops_core.paths.flow import Flow, Flows, Kind, signal
from cops_core.paths.tape import Operation, tensors_in

# Arguments that choose positions: their values are read, not followed.
CHOICES = ("index", "indices", "mask", "condition", "repeats")


# Operations whose results leave torch: a number, or a shape that depends on values.
LEAKS = frozenset((torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape))


class UnknownPathsError(Exception):
    """What a network's outputs depend on cannot be followed. The message says why, in words."""


@dataclass(frozen=True)
class Call:
    """An operation with the flows of its arguments.

    Attributes:
        operation: The operation.
        flows: The flows of all tensors.
        kind: The highest kind of the arguments.
    """

    operation: Operation
    flows: Flows
    kind: Kind

    @property
    def result(self) -> Tensor:
        """The first result."""
        return self.operation.results[0]

    def value(self, *names: str) -> Any:
        """The first argument that exists among these names, None if there is none."""
        return next((self.operation.read[name] for name in names if name in self.operation.read), None)

    def flow(self, name: str) -> Flow | None:
        """The flow of one argument; None if it is not a tensor."""
        value = self.operation.inputs.get(name)
        return self.flows.read(value) if isinstance(value, Tensor) else None

    def __getitem__(self, name: str) -> Tensor:
        """The values of one argument's flow as a part of the result, 1 or 0."""
        flow = self.flow(name)
        assert flow is not None
        return flow.of(self.kind)

    @property
    def subject(self) -> Tensor:
        """The same of the first argument."""
        return self[next(iter(self.operation.inputs))]

    def others(self, *followed: str) -> Tensor:
        """What the other arguments add, of shape ()."""
        rest = {name: value for name, value in self.operation.inputs.items() if name not in followed}
        flows = [self.flows.read(tensor) for tensor in tensors_in(rest)]
        return _total([flow.of(self.kind) for flow in flows], self.result)


Rule = Callable[[Call], Tensor]


def _total(values: Sequence[Tensor], like: Tensor) -> Tensor:
    """The sum of all values, of shape ()."""
    start = torch.zeros((), dtype=torch.float64, device=like.device)
    return sum((signal(value.sum()) for value in values), start)


def mix(call: Call) -> Tensor:
    """Every element of the result depends on every element of the arguments."""
    return call.others().expand(call.result.shape)


def each_unit(call: Call) -> Tensor:
    """Each element of the result depends on the elements of the arguments at its place."""
    shape = call.result.shape
    flows = [call.flows.read(tensor) for tensor in tensors_in(call.operation.inputs)]
    return sum(
        (flow.of(call.kind).expand(shape) for flow in flows),
        torch.zeros(shape, dtype=torch.float64, device=call.result.device),
    )


def straight(call: Call) -> Tensor:
    """Each element depends on that of the first argument at its place, and on all of the others."""
    first = next(iter(call.operation.inputs))
    return call.subject + call.others(first)
