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
    """A network, with torch's own weights.

    Args:
        name: A key of `MODELS`.
        shape: (channels, height, width) of an image, each at least 1.
        classes: The number of classes, at least 2.

    Returns:
        The network; `cops_core.initialization.initialize` gives it a trial's weights.

    Raises:
        InputError: An unknown name, or a shape or number of classes that the network does not support.
    """
    if min(shape) < 1:
        raise InputError(f"an image of shape {shape} has no pixels: write sizes of at least 1")
    if classes < 2:
        raise InputError(f"{classes} classes are not enough for a classifier: write at least 2")
    return lookup("model", name, MODELS)(shape, classes)
