"""Data sets: each a function `(root) -> ImageData`, one file per format."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from cops_core.data.base import ImageData, Split, split
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


# Where a registered data set's files are; one that is not named here is taken to be at hand.
AVAILABLE: Mapping[str, Callable[[Path], bool]] = {
    "cifar10": CIFAR10.complete,
    "cifar100": CIFAR100.complete,
    "fashion_mnist": lambda root: DEBIAN_FASHION_MNIST.is_dir() or is_downloaded("FashionMNIST", root),
    "imagenet64": lambda root: has_both_parts("imagenet", root),
    "mnist": lambda root: is_downloaded("MNIST", root),
    "tiny_imagenet": is_unpacked,
}

# Those that are never downloaded: a person puts their files there.
NOT_DOWNLOADED = frozenset({"imagenet64"})


def is_available(name: str, root: Path) -> bool:
    """Whether the data set `name` is there without a download. root: the folder for downloads."""
    return AVAILABLE[name](root) if name in AVAILABLE else name in DATASETS


@lru_cache(maxsize=2)
def load_data(name: str, root: Path) -> ImageData:
    """The data set `name`, read once per process. root: the folder for downloads."""
    return lookup("data set", name, DATASETS)(root)


def load_split(name: str, root: Path, seed: int, validation_fraction: Decimal) -> Split:
    """The data set `name` split by `seed`, as tensors on the CPU, made once per process."""
    return split_once(load_data(name, root), seed, validation_fraction)


@lru_cache(maxsize=2)
def split_once(data: ImageData, seed: int, validation_fraction: Decimal) -> Split:
    """`split`, made once per process."""
    return split(data, seed, validation_fraction)
