"""The flow along a network's paths, independent of the values that its functions compute."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.utils import _pair
from torch.overrides import TorchFunctionMode

from cops_core.errors import InputError

NO_FLOW = 1e-9
"""Values up to this count as no flow. A flow is a count of at least 1, or an average of counts, so at least
1 / positions; without flow there may be a rounding error of about 1e-13 (a convolution by FFT)."""


class Signal(torch.autograd.Function):
    """1 where there is any flow, else 0; the same for the gradient in the backward pass."""

    @staticmethod
    def forward(_: Any, flow: Tensor) -> Tensor:
        """1 where `flow`, float64 of any shape, is not zero."""
        return (flow.abs() > NO_FLOW).to(flow.dtype)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        """1 where the gradient, of the flow's shape, is not zero."""
        return (gradients[0].abs() > NO_FLOW).to(gradients[0].dtype)


def signal(flow: Tensor) -> Tensor:
    """`Signal` of a tensor of any shape."""
    result: Tensor = Signal.apply(flow)  # type: ignore[no-untyped-call]
    return result


class FollowPaths(TorchFunctionMode):
    """Inside this context torch's functions propagate flows, in modules, in a model's forward and on tensors.

    - Convolutions and linear layers are unchanged, between two `signal`s.
    - STRAIGHT (activations, normalisations, dropout) is the identity on each unit. On a flow these functions
      would saturate (tanh), subtract it from itself (layer norm) or turn zero into non-zero (sigmoid).
    - Max pooling is a sum over the same windows, since each position may be the maximum for some image.
    - All others are unchanged: sums, averages, reshaping and padding keep every path. A product (a gate)
      flows where both of its factors do. Attention inside torch is not analysed.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call `func`, or its replacement.

        Args:
            func: A function of torch.
            types: Not used.
            args: The function's positional arguments.
            kwargs: The function's keyword arguments.

        Returns:
            The function's result.
        """
        kwargs = dict(kwargs or {})
        # The same function exists several times (torch.relu, Tensor.relu_, functional.relu), with few names.
        name = getattr(func, "__name__", "").strip("_")
        stand_in = STAND_INS.get(name)
        if stand_in is None and name not in LAYERS:
            return func(*args, **kwargs)
        flow, *others = args or (kwargs.pop("input"),)
        if stand_in is None:
            return signal(func(signal(flow), *others, **kwargs))
        return stand_in(flow, *others, **kwargs)


def _straight(flow: Tensor, *settings: Any, **named: Any) -> Tensor:
    return signal(flow)


def _max_pool2d(
    flow: Tensor,
    kernel_size: int | tuple[int, int],
    stride: int | tuple[int, int] | None = None,
    padding: int | tuple[int, int] = 0,
    dilation: int | tuple[int, int] = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The sum over each window of max pooling: a convolution with ones, channel by channel."""
    if return_indices:
        return _indices()
    geometry = (kernel_size, stride or kernel_size, padding, dilation)
    height, width = functional.max_pool2d(flow.detach(), *geometry, ceil_mode).shape[-2:]
    kernel, strides, padding, dilation = (_pair(size) for size in geometry)
    # As far as ceil_mode may reach beyond the padding; sums without a pooling window are cut off.
    reach = functional.pad(signal(flow), (0, strides[1] - 1, 0, strides[0] - 1))
    planes = reach.reshape(-1, 1, *reach.shape[-2:])
    sums = functional.conv2d(planes, planes.new_ones((1, 1, *kernel)), None, strides, padding, dilation)
    return signal(sums[..., :height, :width].reshape(*flow.shape[:-2], height, width))


def _adaptive_max_pool2d(
    flow: Tensor, output_size: int | tuple[int | None, int | None], return_indices: bool = False
) -> Tensor:
    """The average over the same windows."""
    return _indices() if return_indices else functional.adaptive_avg_pool2d(signal(flow), output_size)


def _indices(*settings: Any, **named: Any) -> Tensor:
    raise InputError("max pooling with return_indices=True has no fixed paths: write return_indices=False")


# fmt: off
LAYERS = frozenset((
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
))

STRAIGHT = (
    "relu", "relu6", "leaky_relu", "prelu", "rrelu", "threshold", "hardtanh", "elu", "selu", "celu", "gelu",
    "silu", "mish", "softplus", "tanh", "tanhshrink", "sigmoid", "special_expit", "logsigmoid",
    "log_sigmoid", "hardsigmoid", "hardswish", "softsign", "softshrink", "hardshrink", "softmax", "softmin",
    "log_softmax",
    "batch_norm", "instance_norm", "group_norm", "layer_norm", "rms_norm", "local_response_norm",
    "normalize",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_dropout", "alpha_dropout",
    "feature_alpha_dropout",
)
# fmt: on

STAND_INS: Mapping[str, Callable[..., Tensor]] = {
    **dict.fromkeys(STRAIGHT, _straight),
    "max_pool2d": _max_pool2d,
    "max_pool2d_with_indices": _indices,
    "adaptive_max_pool2d": _adaptive_max_pool2d,
    "adaptive_max_pool2d_with_indices": _indices,
}
