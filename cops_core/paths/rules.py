"""How each operation passes on what may vary: a rule each for the common ones, and one that is true of all.

A rule never says less than what is true: an element that may vary is said to vary. What a rule says may be
more than what is true. An operation without a rule of its own mixes all of its arguments.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from cops_core.paths.call import CHOICES, LEAKS, Call, Rule, UnknownPathsError, each_unit, mix, straight
from cops_core.paths.flow import Flow, Flows, Kind, signal
from cops_core.paths.layers import (
    PRODUCTS,
    adaptive_max_pool,
    attention,
    batch_norm,
    group_norm,
    layer_norm,
    max_pool,
    product,
)
from cops_core.paths.tape import LIKE, Operation, address, tensors_in


def follow(operation: Operation, flows: Flows) -> None:
    """Set the flows of an operation's results.

    Args:
        operation: The operation.
        flows: The flows of its arguments; changed.
    """
    inputs = list(tensors_in(operation.inputs))
    if not inputs or operation.name in LIKE:
        return
    call = Call(operation, flows, flows.kind(inputs))
    leaks = operation.name not in RULES and not LEAKS.isdisjoint(operation.function.tags)
    if call.kind == Kind.VARIES and leaks:
        raise UnknownPathsError(f"values of the image leave torch's operations at {operation.name}")
    old = {address(tensor) for tensor in inputs}
    written = [tensor for name in operation.written for tensor in tensors_in(operation.inputs[name])]
    targets = [*written, *(tensor for tensor in operation.results if address(tensor) not in old)]
    if not targets:  # a view of what is known
        return
    values = _rule(call)(call)
    if call.kind < Kind.VARIES and operation.name not in (*PRODUCTS, "div"):
        random = torch.Tag.nondeterministic_seeded in operation.function.tags
        values = values + (1.0 if random else _of_zeros(operation))
    whole = signal(values.sum())
    for target in targets:
        own: Tensor = values if values.shape == target.shape else whole.expand(target.shape)
        flows.write(target, Flow(own, call.kind))


def _rule(call: Call) -> Rule:
    chosen = list(tensors_in({k: v for k, v in call.operation.inputs.items() if k in CHOICES}))
    if (
        chosen
        and call.flows.kind(chosen) > Kind.FIXED
        and call.operation.name not in ("where", "masked_fill")
    ):
        return mix
    if call.operation.name in RULES:
        return RULES[call.operation.name]
    return each_unit if torch.Tag.pointwise in call.operation.function.tags else mix


def _of_zeros(operation: Operation) -> Tensor:
    """1 where the operation makes zeros other than zero, for constants: e.g. of 1 - w."""
    zeros = {
        name: value if name in CHOICES else tree_map_only(Tensor, torch.zeros_like, value)
        for name, value in operation.read.items()
    }
    result = operation.function(**zeros)
    first = next(tensors_in(result))
    return (first != 0).double()


def move(call: Call) -> Tensor:
    """Elements are moved, repeated, summed or averaged: the operation itself, on the flows."""
    arguments: dict[str, Any] = {}
    for name, value in call.operation.read.items():
        if name in CHOICES:
            arguments[name] = value
        elif name in ("dtype", "device", "layout", "pin_memory", "memory_format", "non_blocking"):
            continue
        elif name == "value" and isinstance(value, int | float):
            arguments[name] = 0.0  # a constant; what is not zero is added by the caller
        else:
            arguments[name] = tree_map_only(
                Tensor, lambda t: call.flows.read(t).of(call.kind), call.operation.inputs[name]
            )
    function = call.operation.function
    if call.operation.written:  # the variant that works on a copy
        packet = getattr(torch.ops.aten, call.operation.name)
        function = getattr(packet, function._overloadname)
    moved: Tensor = function(**arguments)
    return moved


def where(call: Call) -> Tensor:
    """The elements that a fixed condition chooses."""
    condition = call.operation.inputs.get("condition", call.operation.inputs.get("mask"))
    return each_unit(call) if call.flows.kind([condition]) > Kind.FIXED else move(call)


def convert(call: Call) -> Tensor:
    """The first argument itself, in another type or order of memory."""
    return call.subject


def copy(call: Call) -> Tensor:
    """The source replaces the first argument."""
    return call["src"].expand(call.result.shape)


def fill(call: Call) -> Tensor:
    """A constant replaces the first argument."""
    value = call.flow("value")
    zeros = torch.zeros(call.result.shape, dtype=torch.float64, device=call.result.device)
    return zeros if value is None else zeros + value.of(call.kind)


def quotient(call: Call) -> Tensor:
    """As `each_unit`; of constants, zero where the numerator is."""
    numerator, denominator = call.flow("self"), call.flow("other")
    if call.kind == Kind.VARIES:
        return each_unit(call)
    assert numerator is not None
    values = signal(numerator.values)
    if denominator is not None:
        below = signal(denominator.values)
        values = values + (below - below.detach())
    return values.expand(call.result.shape)


def _along(call: Call, dims: Any, *, keep: bool) -> Tensor:
    subject = call.subject
    if dims is None or dims == [] or dims == ():
        dims = tuple(range(subject.ndim))
    return subject.sum(dims, keepdim=keep) if subject.ndim else subject


def reduce(call: Call) -> Tensor:
    """Each element depends on all of the first argument along some dimensions, which disappear."""
    first = next(iter(call.operation.inputs))
    return _along(call, call.value("dim"), keep=bool(call.value("keepdim"))) + call.others(first)


def along(call: Call) -> Tensor:
    """Each element depends on all of the first argument along a dimension, which stays."""
    return _along(call, call.value("dim"), keep=True).expand(call.result.shape)


def halves(call: Call) -> Tensor:
    """Each element depends on two of the first argument, half of a dimension apart."""
    one, two = call.subject.chunk(2, int(call.value("dim")))
    return one + two


# fmt: off
RULES: Mapping[str, Rule] = {
    **dict.fromkeys(PRODUCTS, product),
    **dict.fromkeys((
        "cat", "stack", "flip", "roll", "repeat", "index_select", "gather", "index", "unsafe_index", "take",
        "index_put", "scatter", "scatter_add", "index_add", "index_copy", "index_fill", "select_scatter",
        "slice_scatter", "diagonal_scatter", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d",
        "reflection_pad3d", "replication_pad1d", "replication_pad2d", "replication_pad3d", "im2col", "col2im",
        "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "triu", "tril", "sum", "mean", "cumsum",
        "avg_pool1d", "avg_pool2d", "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d",
        "adaptive_avg_pool3d", "upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d",
        "upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d", "repeat_interleave",
    ), move),
    **dict.fromkeys(("where", "masked_fill"), where),
    **dict.fromkeys(("clone", "to_copy", "contiguous", "unsafe_view", "lift_fresh_copy"), convert),
    **dict.fromkeys(("fill", "zero"), fill),
    "copy": copy,
    "div": quotient,
    **dict.fromkeys((
        "amax", "amin", "aminmax", "max", "min", "var", "std", "var_mean", "std_mean", "norm", "logsumexp",
        "linalg_vector_norm", "prod", "argmax", "argmin", "median", "nanmedian", "mode", "all", "any",
        "count_nonzero", "nansum", "kthvalue",
    ), reduce),
    **dict.fromkeys((
        "softmax", "log_softmax", "safe_softmax", "sort", "topk", "cumprod", "cummax", "cummin",
        "logcumsumexp", "argsort",
    ), along),
    "glu": halves,
    **dict.fromkeys(("native_layer_norm", "fused_rms_norm"), layer_norm),
    "native_group_norm": group_norm,
    **dict.fromkeys((
        "native_batch_norm", "native_batch_norm_legit", "cudnn_batch_norm", "miopen_batch_norm",
        "batch_norm_with_update",
    ), batch_norm),
    **dict.fromkeys(("native_batch_norm_legit_no_training", "batch_norm_no_update"), straight),
    **dict.fromkeys((
        "native_dropout", "prelu_kernel", "hardswish", "log_sigmoid_forward", "rrelu_with_noise",
    ), straight),
    **dict.fromkeys((
        "max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "max_pool3d_with_indices",
    ), max_pool),
    **dict.fromkeys((
        "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d",
    ), adaptive_max_pool),
    **dict.fromkeys((
        "scaled_dot_product_flash_attention_for_cpu", "scaled_dot_product_flash_attention",
        "scaled_dot_product_efficient_attention", "scaled_dot_product_cudnn_attention",
        "scaled_dot_product_fused_attention_overrideable", "scaled_dot_product_attention",
    ), attention),
}
# fmt: on
