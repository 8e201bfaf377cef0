"""Data sets: each a function `(root) -> ImageData`, one file per format."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from cops_core.data.base import ImageData, Split, split
from cops_core.data.border import loaded
from cops_core.data.cifar import CIFAR10, CIFAR100, cifar10, cifar100
from cops_core.data.digits import digits
from cops_core.data.folder import has_both_parts, image_folder, imagenet64
from cops_core.data.idx import DEBIAN_FASHION_MNIST, fashion_mnist, is_downloaded, mnist
from cops_core.data.part import Part
from cops_core.data.tiny_imagenet import is_unpacked, tiny_imagenet
from cops_core.errors import lookup

__all__ = [
    "DATASETS",
    "ImageData",
    "Part",
    "Split",
    "image_folder",
    "is_available",
    "load_data",
    "load_split",
    "split",
    "split_once",
]

DATASETS: dict[str, Callable[[Path], ImageData]] = {
    "cifar10": cifar10,
    "cifar100": cifar100,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "imagenet64": imagenet64,
    "mnist": mnist,
    "tiny_imagenet": tiny_imagenet,
}


# Whether a registered data set's files exist under a folder; other data sets count as available.
AVAILABLE: Mapping[str, Callable[[Path], bool]] = {
    "cifar10": CIFAR10.complete,
    "cifar100": CIFAR100.complete,
    "fashion_mnist": lambda root: DEBIAN_FASHION_MNIST.is_dir() or is_downloaded("FashionMNIST", root),
    "imagenet64": lambda root: has_both_parts("imagenet", root),
    "mnist": lambda root: is_downloaded("MNIST", root),
    "tiny_imagenet": is_unpacked,
}

# Data sets that are never downloaded: the user copies their files.
NOT_DOWNLOADED = frozenset({"imagenet64"})


def is_available(name: str, root: Path) -> bool:
    """Whether a data set can be loaded without a download.

    Args:
        name: A key of `DATASETS`.
        root: The folder for downloads.

    Returns:
        False also for an unknown name.
    """
    return AVAILABLE[name](root) if name in AVAILABLE else name in DATASETS


@lru_cache(maxsize=2)
def load_data(name: str, root: Path) -> ImageData:
    """A data set, read once per process.

    Args:
        name: A key of `DATASETS`.
        root: The folder for downloads.

    Returns:
        The images and labels.

    Raises:
        InputError: An unknown name, files that are missing or broken, or a plugin's function that fails or
            returns something else than an `ImageData`.
    """
    return loaded(name, lookup("data set", name, DATASETS), root)


def load_split(name: str, root: Path, seed: int, validation_fraction: Decimal) -> Split:
    """A data set split by a seed, as tensors on the CPU, created once per process.

    Args:
        name: A key of `DATASETS`.
        root: The folder for downloads.
        seed: The trial's, in [0, 2**32).
        validation_fraction: In (0, 1).

    Returns:
        The split.

    Raises:
        InputError: See `load_data` and `split`.
    """
    return split_once(load_data(name, root), seed, validation_fraction)


@lru_cache(maxsize=2)
def split_once(data: ImageData, seed: int, validation_fraction: Decimal) -> Split:
    """`split`, computed once per process.

    Args:
        data: The data set.
        seed: The trial's, in [0, 2**32).
        validation_fraction: In (0, 1).

    Returns:
        The split.
    """
    return split(data, seed, validation_fraction)
