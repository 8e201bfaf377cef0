"""Networks: each a function `(shape, classes) -> nn.Module`, one file per family.

Networks of other packages have names such as `timm/vit_tiny_patch16_224` (see `cops_core.models.packages`).
"""

from collections.abc import Callable

import torch
from torch import nn

from cops_core.construction import construct, set_type
from cops_core.errors import InputError, described, listed, nearest, unknown
from cops_core.models.base import Shape
from cops_core.models.cifar_resnet import resnet20, resnet32, resnet56
from cops_core.models.lenet import lenet_5_caffe, lenet_300_100
from cops_core.models.mlp import mlp_512
from cops_core.models.packages import package_model, same_name
from cops_core.models.resnet import resnet18, resnet34
from cops_core.models.vgg import vgg16, vgg19
from cops_core.models.wide_resnet import wrn_16_8

MODELS: dict[str, Callable[[Shape, int], nn.Module]] = {
    "lenet_300_100": lenet_300_100,
    "lenet_5_caffe": lenet_5_caffe,
    "mlp_512": mlp_512,
    "resnet18": resnet18,
    "resnet20": resnet20,
    "resnet32": resnet32,
    "resnet34": resnet34,
    "resnet56": resnet56,
    "vgg16": vgg16,
    "vgg19": vgg19,
    "wrn_16_8": wrn_16_8,
}


def find_model(name: str) -> Callable[[Shape, int], nn.Module]:
    """The function that builds a network, the same object for the same name.

    Args:
        name: A key of `MODELS`, or a package and a name in it, e.g. `torchvision/resnet50`.

    Returns:
        A function (shape, classes) that returns the network.

    Raises:
        InputError: An unknown name, or a package that is not installed.
    """
    if name in MODELS:
        return MODELS[name]
    package, slash, own = name.partition("/")
    if slash:
        return package_model(package, own)
    # To import timm takes seconds: it is searched only if no other name is near.
    packages = ("torchvision",) if nearest(name, MODELS) else ("torchvision", "timm")
    elsewhere = same_name(name, packages)
    if elsewhere is not None:
        raise InputError(f"unknown model {name!r}: did you mean {elsewhere!r}?")
    raise InputError(unknown("model", name, MODELS))


def build_model(
    name: str, shape: Shape, classes: int, seed: int = 0, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """A network, with weights as its author or torch draws them (see `cops_core.construction`).

    Args:
        name: See `find_model`.
        shape: (channels, height, width) of an image, each at least 1.
        classes: The number of classes, at least 2.
        seed: The trial's, in [0, 2**32), for what the network's own code draws.
        dtype: Of its parameters, whatever precision its author chose: `Training.precision` decides.

    Returns:
        The network; `cops_core.initialization.initialize` draws its weights. Of a network inside
        `nn.DataParallel` the network itself, since a trial has one device.

    Raises:
        InputError: An unknown name, or a shape or number of classes that the network does not support; a
            plugin's function that fails, or returns something else than a network.
    """
    if min(shape) < 1:
        raise InputError(f"an image of shape {shape} has no pixels: write sizes of at least 1")
    if classes < 2:
        raise InputError(f"{classes} classes are not enough for a classifier: write at least 2")
    build = find_model(name)
    try:
        network = construct(lambda: build(shape, classes), shape, seed)
    except (InputError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"model {name!r} cannot be built for images of shape {shape} with {classes} classes"
            f" ({described(error)}): write a function (shape, classes) that returns a network"
        ) from error
    if isinstance(network, nn.DataParallel | nn.parallel.DistributedDataParallel):
        network = network.module
    if not isinstance(network, nn.Module):
        raise InputError(
            f"model {name!r} returns an object of type {type(network).__name__}:"
            " write a function (shape, classes) that returns an nn.Module"
        )
    inside = [where for where, part in network.named_modules() if isinstance(part, nn.DataParallel)]
    if inside:
        raise InputError(
            f"model {name!r} has an nn.DataParallel at {listed(inside)}, but a trial has one device:"
            " write the layers without it"
        )
    set_type(network, dtype)
    return network
