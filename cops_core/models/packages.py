"""Networks of other packages by name: `torchvision/resnet50`, `timm/vit_tiny_patch16_224`.

Image size, channels and classes are those of the data. No trained weights are ever loaded. The version of the
package belongs to the identity of what is computed with its networks (see `package_extensions`).
"""

import hashlib
import importlib
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from cops_core.errors import InputError, described, did_you_mean, lookup
from cops_core.models.base import Shape
from cops_core.vision import torchvision_models

# Arguments for networks that else return more than logits in training.
LOGITS_ALONE: Mapping[str, Mapping[str, bool]] = {
    "googlenet": {"aux_logits": False, "init_weights": False},
    "inception_v3": {"aux_logits": False, "init_weights": False},
}
PROBES = 2
# Networks that were found to fit, with the shape and the classes: each is tried once per process.
_FITTING: set[tuple["PackageModel", Shape, int]] = set()


@dataclass(frozen=True)
class PackageModel:
    """A network of a package: a function of an image's shape and the number of classes.

    Attributes:
        package: A key of `PACKAGES`.
        name: The network's name in the package.
        version: Of the package; with it, another version is another network.
    """

    package: str
    name: str
    version: str

    def __call__(self, shape: Shape, classes: int) -> nn.Module:
        """Build the network for images of a shape.

        Args:
            shape: (channels, height, width) of an image.
            classes: The number of classes.

        Returns:
            The network.

        Raises:
            InputError: It does not support such images, or would ignore a part of each.
        """
        try:
            network = PACKAGES[self.package].build(self.name, shape, classes)
            if (self, shape, classes) not in _FITTING:
                _check_fit(network, shape, classes)
        except InputError as error:
            raise self._refused(shape, classes, str(error)) from error
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise self._refused(shape, classes, described(error)) from error
        _FITTING.add((self, shape, classes))
        return network

    def _refused(self, shape: Shape, classes: int, reason: str) -> InputError:
        return InputError(
            f"model '{self.package}/{self.name}' does not fit images of shape {shape} with {classes} classes"
            f" ({reason}): use images of another size, or a network for smaller ones, e.g. resnet20"
        )


@dataclass(frozen=True)
class Package:
    """A package with networks.

    Attributes:
        names: Returns the names of its networks.
        build: Builds the network of a name, for a shape of images and a number of classes.
        advice: What to do where it is not installed.
    """

    names: Callable[[], list[str]]
    build: Callable[[str, Shape, int], nn.Module]
    advice: str


def package_model(package: str, name: str) -> PackageModel:
    """The network with a name; equal names give the same object.

    Args:
        package: A key of `PACKAGES`.
        name: The network's name in the package.

    Returns:
        The function that builds it.

    Raises:
        InputError: An unknown package or name, or a package that is not installed.
    """
    lookup("package of models", package, PACKAGES)
    number = package_version(package)
    if name not in package_names(package):
        near = did_you_mean(f"{package}/{name}", (f"{package}/{known}" for known in package_names(package)))
        raise InputError(f"unknown model '{package}/{name}'{near} (cops models {package}/ lists all)")
    return _package_model(package, name, number)


_package_model = cache(PackageModel)


@cache
def package_names(package: str) -> frozenset[str]:
    """The names of a package's networks.

    Args:
        package: A key of `PACKAGES`.

    Returns:
        The names.

    Raises:
        InputError: The package is not installed.
    """
    package_version(package)
    return frozenset(PACKAGES[package].names())


@cache
def package_version(package: str) -> str:
    """The version of a package, without its build: `+cpu` and `+cu128` have the same code.

    Args:
        package: A key of `PACKAGES`.

    Returns:
        E.g. `1.0.31`.

    Raises:
        InputError: The package is not installed.
    """
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        raise InputError(f"{package} is not installed: {PACKAGES[package].advice}") from None


def package_extensions(model: str) -> dict[str, str]:
    """What identifies the package of a network, like a plugin, in a trial's `extensions`.

    Args:
        model: The name of a network, with or without a package.

    Returns:
        A name that no plugin can have, and a SHA-256 of the package's version; empty without a package.

    Raises:
        InputError: The package is not installed.
    """
    package, slash, _ = model.partition("/")
    if not slash or package not in PACKAGES:
        return {}
    words = f"{package} {package_version(package)}"
    return {f"package {package}": hashlib.sha256(words.encode()).hexdigest()}


def same_name(name: str, packages: Iterable[str]) -> str | None:
    """The first model with exactly this name, among those of installed packages.

    Args:
        name: E.g. `resnet50`.
        packages: Keys of `PACKAGES`.

    Returns:
        E.g. `torchvision/resnet50`, or None.
    """
    for package in packages:
        try:
            if name in package_names(package):
                return f"{package}/{name}"
        except InputError:
            continue
    return None


def _torchvision_names() -> list[str]:
    models = torchvision_models()
    names: list[str] = models.list_models(module=models)
    return names


def _torchvision(name: str, shape: Shape, classes: int) -> nn.Module:
    """A network of torchvision; if images have other than three channels, with another first convolution."""
    channels, height, width = shape
    more: dict[str, Any] = dict(LOGITS_ALONE.get(name, {}))
    if name.startswith("vit_"):
        if height != width:
            raise InputError("it needs square images")
        more["image_size"] = height
    elif name.startswith("maxvit"):
        more["input_size"] = (height, width)
    network: nn.Module = torchvision_models().get_model(name, weights=None, num_classes=classes, **more)
    if channels != 3:
        _replace_first(network, channels)
    return network


def _replace_first(network: nn.Module, channels: int) -> None:
    """Replace the first convolution, which reads images of three channels, by one for `channels`."""
    where, first = next((w, m) for w, m in network.named_modules() if isinstance(m, nn.Conv2d))
    if first.in_channels != 3 or first.groups != 1:
        raise InputError(f"it needs images of three channels: its first convolution is {where}")
    own = nn.Conv2d(
        channels,
        first.out_channels,
        first.kernel_size,  # type: ignore[arg-type]
        first.stride,  # type: ignore[arg-type]
        first.padding,  # type: ignore[arg-type]
        first.dilation,  # type: ignore[arg-type]
        bias=first.bias is not None,
        padding_mode=first.padding_mode,
    )
    network.set_submodule(where, own)


def _timm() -> ModuleType:
    torchvision_models()  # timm imports it, and only this way works beside every build of torch
    return importlib.import_module("timm")


def _timm_names() -> list[str]:
    names: list[str] = _timm().list_models()
    return names


def _timm_network(name: str, shape: Shape, classes: int) -> nn.Module:
    """A network of timm. Those with positions for patches are built for the size of the images."""
    channels, *size = shape
    create = partial(_timm().create_model, name, pretrained=False, in_chans=channels, num_classes=classes)
    try:
        network: nn.Module = create(img_size=tuple(size))
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        network = create()
    return network


PACKAGES: Mapping[str, Package] = {
    "torchvision": Package(_torchvision_names, _torchvision, "install torchvision"),
    "timm": Package(_timm_names, _timm_network, "install cops-study[timm]"),
}


def _check_fit(network: nn.Module, shape: Shape, classes: int) -> None:
    """Raise InputError unless there is a logit per class, and logits depend on the whole image.

    Patches that do not divide an image's size leave pixels out, without an error. A single row or column may
    be left out, as a convolution without padding does.
    """
    probe = deepcopy(network).eval()
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in probe.parameters():
            if not parameter.any():  # e.g. the head, or the gain of a residual branch
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=draws))
    images = torch.randn((PROBES, *shape), generator=draws).requires_grad_()
    with torch.enable_grad():
        logits = probe(images)
        if not isinstance(logits, Tensor) or logits.shape != (PROBES, classes):
            raise InputError("it does not return a logit per class")
        (gradient,) = torch.autograd.grad(logits.square().sum(), images)
    reached = gradient.abs().sum((0, 1)) != 0
    rows, columns = int((~reached.any(1)).sum()), int((~reached.any(0)).sum())
    if max(rows, columns) > 1:
        raise InputError(f"it would ignore {rows} rows and {columns} columns of each")
