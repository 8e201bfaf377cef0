"""A data set that a function returned, checked before it is used: a plugin may return anything."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from cops_core.data.base import ImageData
from cops_core.errors import InputError, described

FORM = "write a function (root) that returns an ImageData"
MOST_CHANNELS = 4  # of images whose last dimension may be their channels


def loaded(name: str, load: Callable[[Path], ImageData], root: Path) -> ImageData:
    """The data set that a loader returns.

    Args:
        name: Its key in the registry, for messages.
        load: The loader.
        root: The folder for downloads.

    Returns:
        The images and labels.

    Raises:
        InputError: The loader fails, or returns something else; in one line.
    """
    try:
        data = load(root)
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"data set {name!r} cannot be loaded from {root} ({described(error)}): {FORM}"
        ) from error
    check_data(name, data)
    return data


def check_data(name: str, data: object) -> None:
    """Check that a data set is what trials read.

    Args:
        name: Its key in the registry, for messages.
        data: What its loader returned.

    Raises:
        InputError: Another type, shape or label; the message says what to write instead.
    """
    if not isinstance(data, ImageData):
        raise InputError(f"data set {name!r} is an object of type {type(data).__name__}: {FORM}")
    if type(data.classes) is not int or data.classes < 2:
        raise InputError(f"data set {name!r} has {data.classes!r} classes: write a whole number from 2")
    for part, images, labels in (
        ("training", data.train_images, data.train_labels),
        ("test", data.test_images, data.test_labels),
    ):
        complaint = _images(part, images) or _labels(part, labels, len(images), data.classes)
        if complaint:
            raise InputError(f"data set {name!r}: {complaint}")
    ours, theirs = tuple(data.train_images.shape[1:]), tuple(data.test_images.shape[1:])
    if ours != theirs:
        raise InputError(
            f"data set {name!r}: test images have the shape {theirs}, training images {ours}:"
            " write images of one shape"
        )


def _images(part: str, images: object) -> str:
    """What is wrong with a part's images, or an empty text."""
    if not isinstance(images, Tensor):
        return f"{part} images are of type {type(images).__name__}: write torch.from_numpy(images)"
    if images.dtype != torch.uint8:
        advice = "(images * 255).to(torch.uint8) for values in [0, 1]"
        return f"{part} images are {images.dtype}, not torch.uint8: write bytes in [0, 255], e.g. {advice}"
    if images.ndim != 4:
        advice = ", e.g. images[:, None] for grey ones" if images.ndim == 3 else ""
        return (
            f"{part} images are {images.ndim}-dimensional, not 4-dimensional:"
            f" write (N, channels, height, width){advice}"
        )
    if not images.numel():
        return f"{part} images of shape {tuple(images.shape)} have no pixels: write at least one image"
    _, first, second, last = images.shape
    if first == second > MOST_CHANNELS and last in (1, 3, 4):
        return (
            f"{part} images of shape {tuple(images.shape)} have their channels last:"
            " write images.permute(0, 3, 1, 2)"
        )
    return ""


def _labels(part: str, labels: object, count: int, classes: int) -> str:
    """What is wrong with a part's labels, or an empty text."""
    if not isinstance(labels, Tensor):
        return f"{part} labels are of type {type(labels).__name__}: write torch.as_tensor(labels)"
    if labels.dtype != torch.int64:
        return f"{part} labels are {labels.dtype}, not torch.int64: write labels.to(torch.int64)"
    if tuple(labels.shape) != (count,):
        return (
            f"{count} {part} images have labels of shape {tuple(labels.shape)}:"
            " write one class number for each image"
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        return (
            f"{part} labels are in [{low}, {high}], the classes of {classes} are 0 to {classes - 1}:"
            " write class numbers from 0"
        )
    return ""
