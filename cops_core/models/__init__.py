"""Networks: each a function `(shape, classes) -> nn.Module`, one file per family."""

from collections.abc import Callable

from torch import nn

from cops_core.errors import InputError, lookup
from cops_core.models.base import Shape
from cops_core.models.lenet import lenet_5_caffe, lenet_300_100
from cops_core.models.resnet import resnet18, resnet34
from cops_core.models.vgg import vgg16

MODELS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "lenet_300_100": lenet_300_100,
    "lenet_5_caffe": lenet_5_caffe,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "vgg16": vgg16,
}


def build_model(name: str, shape: Shape, classes: int) -> nn.Module:
    """The network `name` for images of `shape` (channels, height, width), weights not yet drawn."""
    if min(shape) < 1:
        raise InputError(f"an image of shape {shape} has no pixels: every size must be at least 1")
    if classes < 2:
        raise InputError(f"{classes} classes: a classifier needs at least 2")
    return lookup("model", name, MODELS)(shape, classes)
