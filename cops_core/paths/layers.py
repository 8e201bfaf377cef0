"""How layers pass on what may vary: products with weights, normalisation, pooling, attention."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from cops_core.paths.call import Call, straight
from cops_core.paths.flow import Flow, Kind, signal

# fmt: off
PRODUCTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "mul": ("self", "other", ()),
    "mm": ("self", "mat2", ()),
    "bmm": ("self", "mat2", ()),
    "mv": ("self", "vec", ()),
    "dot": ("self", "tensor", ()),
    "linear": ("input", "weight", ("bias",)),
    "addmm": ("mat1", "mat2", ("self",)),
    "baddbmm": ("batch1", "batch2", ("self",)),
    "addmv": ("mat", "vec", ("self",)),
    "addcmul": ("tensor1", "tensor2", ("self",)),
    "convolution": ("input", "weight", ("bias",)),
}
"""By operation, its two factors and what is added."""
# fmt: on


def product(call: Call) -> Tensor:
    """A product varies where one factor varies and the other may be other than zero.

    What varies may be other than zero everywhere.
    """
    first, second, others = PRODUCTS[call.operation.name]
    one, two = call.flow(first), call.flow(second)
    if one is None or two is None:  # a number
        number = call.value(second if two is None else first)
        known = one if two is None else two
        assert known is not None
        return known.of(call.kind) * float(number != 0)
    pairs = []
    if one.kind == Kind.VARIES:
        pairs.append((signal(one.values), _factor(two)))
    if two.kind == Kind.VARIES:
        pairs.append((_factor(one), signal(two.values)))
    if not pairs:
        pairs.append((signal(one.values), signal(two.values)))
    terms = [_multiply(call, *pair) for pair in pairs]
    for name in others:
        added = call.flow(name)
        if added is not None:
            values = added.of(call.kind)
            if call.operation.name == "convolution":
                values = values.reshape(-1, *[1] * (call.result.ndim - 2))
            terms.append(values)
    return sum(terms[1:], terms[0]).expand(call.result.shape)


def _factor(flow: Flow) -> Tensor:
    """Where a factor may be other than zero, 1 or 0."""
    values = signal(flow.values)
    return torch.ones_like(values) + values - values.detach() if flow.kind == Kind.VARIES else values


def _multiply(call: Call, one: Tensor, two: Tensor) -> Tensor:
    if call.operation.name in ("mul", "addcmul"):
        return one * two
    if call.operation.name == "convolution":
        names = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
        settings = [call.value(name) for name in names]
        result: Tensor = torch.ops.aten.convolution(one, two, None, *settings)
        return result
    if call.operation.name == "linear":
        return functional.linear(one, two)
    return torch.matmul(one, two)


def layer_norm(call: Call) -> Tensor:
    """Each element depends on all that share its mean and variance."""
    shape = call.value("normalized_shape")
    dims = tuple(range(-len(shape), 0))
    first = next(iter(call.operation.inputs))
    return call.subject.sum(dims, keepdim=True).expand(call.result.shape) + call.others(first)


def group_norm(call: Call) -> Tensor:
    """The same, for groups of channels."""
    subject = call.subject
    grouped = subject.reshape(subject.shape[0], int(call.value("group")), -1)
    sums = grouped.sum(2, keepdim=True).expand(grouped.shape).reshape(subject.shape)
    return sums + call.others("input")


def batch_norm(call: Call) -> Tensor:
    """Each element by itself with running statistics, else with its channel in the batch."""
    if not call.value("training"):
        return straight(call)
    subject = call.subject
    dims = tuple(dim for dim in range(subject.ndim) if dim != 1)
    return subject.sum(dims, keepdim=True).expand(subject.shape) + call.others("input")


def max_pool(call: Call) -> Tensor:
    """The sum over each window: each position may be the maximum for some image.

    A convolution with ones, channel by channel.
    """
    sizes = [call.value(name) for name in ("kernel_size", "stride", "padding", "dilation")]
    spatial = len(sizes[0])
    kernel, stride, padding, dilation = (list(s) * (spatial // len(s)) if s else s for s in sizes)
    stride = stride or kernel
    subject = call.subject
    shape = call.result.shape
    # As far as ceil_mode may reach beyond the padding; sums without a pooling window are cut off.
    reach = functional.pad(subject, [size for step in reversed(stride) for size in (0, step - 1)])
    planes = reach.reshape(-1, 1, *reach.shape[-spatial:])
    ones = planes.new_ones((1, 1, *kernel))
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[spatial - 1]
    sums = convolve(planes, ones, None, stride, padding, dilation)
    for dim, size in zip(range(-spatial, 0), shape[-spatial:], strict=True):
        sums = sums.narrow(dim, 0, size)
    return sums.reshape(shape)


def adaptive_max_pool(call: Call) -> Tensor:
    """The average over the same windows."""
    size = call.value("output_size")
    pools = (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d)
    averages: Tensor = pools[len(size) - 1](call.subject, size)
    return averages


def attention(call: Call) -> Tensor:
    """A position depends on its own query, on all keys, and on all values of its feature."""
    query, key, value = call["query"], call["key"], call["value"]
    keys = (key.sum((-2, -1), keepdim=True), value.sum(-2, keepdim=True), query.sum(-1, keepdim=True))
    return (keys[0] + keys[1] + keys[2]).expand(call.result.shape) + call.others("query", "key", "value")
