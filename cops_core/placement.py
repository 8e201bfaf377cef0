"""Where and how a network runs: the device, the memory format of the images, the optimizer's kernels.

Weights always have torch's default memory format: positions of kept weights, masks, artefacts and gradients
refer to it. A convolution computes in channels-last as soon as its images have that format; it reorders its
weights itself, at the cost of a copy of them in each pass.
"""

import gc
from dataclasses import dataclass

import torch
from torch import nn

from cops_core.errors import InputError, did_you_mean

DEVICES = ("cpu", "cuda")  # the types; a GPU's number may follow, e.g. cuda:1


@dataclass(frozen=True)
class Placement:
    """How one network is trained and evaluated on one device.

    Attributes:
        device: The device.
        memory_format: Of the network's input images; `torch.preserve_format` does not change them.
        fused: Whether one kernel of the optimizer updates all parameters, instead of a few per operation.
    """

    device: torch.device
    memory_format: torch.memory_format = torch.preserve_format
    fused: bool = False


def placement_of(device: torch.device, model: nn.Module, precision: str) -> Placement:
    """The placement that should be fastest for a model.

    Channels-last is for convolutions. On the CPU it halves the time of a step of LeNet-5-Caffe (one thread,
    28.2 to 14.4 ms: torch vectorises max pooling only in this format); ResNet18 is 8 % faster, VGG16 8 %
    slower. On a GPU it is for tensor cores, which only `bfloat16` uses here: `float32` runs without TF32.
    For `float64` neither has kernels in this format. Scores are always computed on unchanged images: the
    mask is the same either way.

    Fused SGD takes 56 us of a step of LeNet-300-100 on one CPU thread, torch's default SGD 145 us. AdamW is
    fused, too.

    The choice for GPUs follows torch's documentation (`torch.nn.utils.convert_conv2d_weight_memory_format`,
    `torch.optim.SGD`, `torch.optim.AdamW`) and has not been measured yet.

    Args:
        device: The device.
        model: The model.
        precision: `Training.precision`.

    Returns:
        The placement.
    """
    convolutional = any(isinstance(module, nn.Conv2d) for module in model.modules())
    wanted = ("bfloat16",) if device.type == "cuda" else ("float32", "bfloat16")
    channels_last = convolutional and precision in wanted
    # The fused kernel has no complex numbers.
    fused = all(parameter.is_floating_point() for parameter in model.parameters())
    return Placement(device, torch.channels_last if channels_last else torch.preserve_format, fused)


def find_device(name: str) -> torch.device:
    """The device with this name.

    Args:
        name: `cpu`, `cuda`, or e.g. `cuda:1`.

    Returns:
        The device.

    Raises:
        InputError: There is no such device.
    """
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
        raise InputError(f"device {name!r} does not exist, torch sees {count} GPUs: write {known}")
    return device


def use_device(name: str) -> torch.device:
    """The device that `find_device` finds; a GPU becomes this process's current one.

    Operations without an explicit device then use it, too. Otherwise they would use GPU 0, where torch would
    create a context of some hundred MB.

    Args:
        name: `cpu`, `cuda`, or e.g. `cuda:1`.

    Returns:
        The device, a GPU with its number.

    Raises:
        InputError: There is no such device.
    """
    device = find_device(name)
    if device.type != "cuda":
        return device
    index = torch.cuda.current_device() if device.index is None else device.index
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def release() -> None:
    """Free the GPU memory of a trial, so that other processes can use it.

    Delete the trial first, and call this outside of `except`: a traceback keeps its frames' tensors.
    Without CUDA it does nothing, since garbage collection takes about a tenth of a second.
    """
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return
    gc.collect()  # networks and their hooks refer to each other in circles
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
