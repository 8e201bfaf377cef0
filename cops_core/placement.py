"""How a network lies on its device: on which one, in which order of memory, with which kernels of SGD.

Weights always lie in torch's own order, whatever the images do: places of kept weights, masks, artefacts
and gradients count in it. A convolution computes in channels-last as soon as its images lie so; it reorders
its weights for itself, at the cost of a copy of them in each pass.
"""

import gc
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import increment_version
from torch.optim import SGD, Optimizer

from cops_core.config import Training
from cops_core.errors import InputError, did_you_mean

DEVICES = ("cpu", "cuda")  # the kinds; a GPU may have its number behind


@dataclass(frozen=True)
class Placement:
    """How one network is trained and judged on one device.

    memory_format: of the images that it is given; `torch.preserve_format` leaves them as they are.
    fused: one kernel of SGD updates all parameters, instead of a few kernels per arithmetic operation.
    """

    device: torch.device
    memory_format: torch.memory_format = torch.preserve_format
    fused: bool = False


def placement_of(device: torch.device, model: nn.Module, precision: str) -> Placement:
    """The placement that should be fastest for `model`.

    Channels-last is for convolutions. On the CPU it halves the time of a step of LeNet-5-Caffe (one thread,
    28.2 to 14.4 ms: torch vectorises max pooling in this order alone); ResNet18 gains 8 %, VGG16 loses as
    much. On a GPU it is for tensor cores, on which only `bfloat16` runs here: `float32` does without TF32.
    In `float64` neither has kernels for it. Scores are computed on images as they are, in every precision:
    the same mask either way.

    Fused SGD takes 56 us of a step of LeNet-300-100 on one CPU thread, torch's usual one 145.

    On a GPU by torch's documentation (`torch.nn.utils.convert_conv2d_weight_memory_format`,
    `torch.optim.SGD`); not measured yet.
    """
    convolutional = any(isinstance(module, nn.Conv2d) for module in model.modules())
    wanted = ("bfloat16",) if device.type == "cuda" else ("float32", "bfloat16")
    channels_last = convolutional and precision in wanted
    return Placement(device, torch.channels_last if channels_last else torch.preserve_format, fused=True)


def find_device(name: str) -> torch.device:
    """The device called `name`: `cpu`, `cuda`, or `cuda:1`. InputError if there is no such device."""
    try:
        device = torch.device(name)
    except RuntimeError:
        advice = did_you_mean(name, DEVICES) or ": write cpu, cuda or e.g. cuda:1"
        raise InputError(f"unknown device {name!r}{advice}") from None
    if device.type not in DEVICES:
        raise InputError(f"device {name!r} is not supported: write cpu or cuda")
    count = torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= count:
        known = f"cpu or cuda:0 to cuda:{count - 1}" if count else "cpu"
        raise InputError(f"device {name!r} is not there, torch sees {count} GPUs: write {known}")
    return device


def use_device(name: str) -> torch.device:
    """The device that `find_device` finds; a GPU becomes this process's current one.

    What names no device then goes there too. Otherwise it would go to GPU 0, where torch would make a
    context of some hundred MB for it.
    """
    device = find_device(name)
    if device.type != "cuda":
        return device
    index = torch.cuda.current_device() if device.index is None else device.index
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def sgd(parameters: Iterable[nn.Parameter], training: Training, *, fused: bool) -> SGD:
    """SGD over `parameters` as `training` says."""
    optimizer = SGD(
        parameters,
        lr=training.learning_rate,
        momentum=training.momentum,
        weight_decay=training.weight_decay,
        fused=fused or None,  # None, not False: torch's own choice
    )
    if fused:
        optimizer.register_step_post_hook(_count_changes)
    set_fused(optimizer, fused)
    return optimizer


def set_fused(optimizer: SGD, fused: bool) -> None:
    """Have `optimizer` go on fused or not, whatever the optimizer did whose state it has loaded.

    Momentum begins at zero, as torch's does in effect. The fused kernel needs it for all parameters or
    none, and would fail on one that gets its first gradient after the others.
    """
    for group in optimizer.param_groups:
        group["fused"] = fused or None
        if fused and group["momentum"]:
            for parameter in group["params"]:
                state = optimizer.state[parameter]
                if state.get("momentum_buffer") is None:
                    state["momentum_buffer"] = torch.zeros_like(parameter)


def _count_changes(optimizer: Optimizer, *_: Any) -> None:
    """Tell torch that the parameters have changed: its fused kernels do not (measured with 2.13).

    `FreezeNet.write` asks for it; without this no trained value would ever reach the model.
    """
    for group in optimizer.param_groups:
        increment_version(group["params"])


def release() -> None:
    """Give the GPU's memory back that a trial held, so that other processes can have it.

    Drop the trial first, and call this outside of `except`: a traceback keeps its frames' tensors.
    Without CUDA it does nothing, since collecting garbage takes about a tenth of a second.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return
    gc.collect()  # networks and their hooks refer to each other in circles
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
