"""Folders of images as in ImageNet (Deng et al. 2009): a folder per class, in `train` and in `val`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from unicodedata import normalize

import torch
from torch import Tensor

from cops_core.data.base import ImageData
from cops_core.data.decoded import decoded_images
from cops_core.data.files import reason
from cops_core.data.images import SUFFIXES, centre
from cops_core.errors import InputError

LARGEST = 1024


def image_folder(name: str, size: int, *, folder: str | None = None) -> Callable[[Path], ImageData]:
    """A loader for folders of images: train/CLASS/* and val/CLASS/*.

    `val` is the test part; studies take their validation images from `train`. Classes are numbered in the
    order of their folders' names, and both parts have all classes. Images are in the order of their files'
    names, of any size, with the suffixes in `SUFFIXES`. Each image is scaled until its shorter side is
    `size`, and cropped to its centre (see `images.centre`). Hidden files are ignored, and so are files next
    to the classes' folders.

    Args:
        name: The data set's key in `DATASETS`.
        size: Images are `size` x `size` in colour, in [1, 1024].
        folder: The folder under the root; None is the name.

    Returns:
        A function (root) -> ImageData. It raises InputError, with the file or folder, if one is missing or
        empty, or if a file is not a complete image.

    Raises:
        InputError: A size outside [1, 1024].
    """
    if not 1 <= size <= LARGEST:
        raise InputError(f"image size {size} of data set {name!r} is not in [1, {LARGEST}]: write e.g. 64")

    def load(root: Path) -> ImageData:
        home = root / (folder or name)
        for part in ("train", "val"):
            if not (home / part).is_dir():
                raise InputError(
                    f"{home / part} is not a folder: put a folder of images per class there, or link to it"
                )
        classes, tested = _classes(home / "train"), _classes(home / "val")
        if unknown := sorted(set(tested) - set(classes)):
            raise InputError(
                f"{home / 'val' / unknown[0]} is a class without training images:"
                f" add {home / 'train' / unknown[0]}, or remove it"
            )
        train, train_labels = _part(home / "train", list(classes.values()))
        test, test_labels = _part(home / "val", [tested.get(name, name) for name in classes])
        return ImageData(
            name=name,
            classes=len(classes),
            train_images=decoded_images(root, f"{name}-train", train, centre(size)),
            train_labels=train_labels,
            test_images=decoded_images(root, f"{name}-val", test, centre(size)),
            test_labels=test_labels,
        )

    load.__doc__ = f"Your images in folders, {size} x {size} in colour, below `{folder or name}` of the root."
    return load


def has_both_parts(folder: str, root: Path) -> bool:
    """Whether the folder has both parts.

    Args:
        folder: The data set's folder under the root.
        root: The folder for downloads.

    Returns:
        True if its `train` and `val` exist.
    """
    return all((root / folder / part).is_dir() for part in ("train", "val"))


imagenet64 = image_folder("imagenet64", 64, folder="imagenet")
"""ImageNet at 64 x 64, from ROOT/imagenet: 1.28 million + 50,000 images, 1,000 classes, 16 GB of memory."""


def _classes(part: Path) -> dict[str, str]:
    """The folders in `part` by the names of their classes, in order.

    A name is compared as it looks: `e` with an accent is one character on some systems, two on others, and
    copies between them mix both.
    """
    found: dict[str, str] = {}
    for folder in _folders(part):
        name = normalize("NFC", folder)
        if name in found:
            raise InputError(
                f"{part} has two folders that look like {name!r}, spelt with other characters: rename one,"
                " or put their images together"
            )
        found[name] = folder
    return found


def _folders(part: Path) -> list[str]:
    """Names of the folders in `part`, in order."""
    found = [name for name in _listed(part) if (part / name).is_dir()]
    if not found:
        raise InputError(f"{part} has no folders: add a folder of images for each class")
    return found


def _part(part: Path, classes: Sequence[str]) -> tuple[list[Path], Tensor]:
    """All image files of a part and their labels, class by class."""
    files = [_files(part / name) for name in classes]
    labels = [torch.full((len(some),), label) for label, some in enumerate(files)]
    return [path for some in files for path in some], torch.cat(labels)


def _files(folder: Path) -> list[Path]:
    """A class's images. Other files are refused, since ignoring them could hide missing images."""
    names = _listed(folder)
    if not names:
        raise InputError(f"{folder} has no images: add some, or remove the class from train and val")
    for name in names:
        if not name.lower().endswith(SUFFIXES):
            raise InputError(
                f"{folder / name} is not an image: remove it, or use one of {', '.join(SUFFIXES)}"
            )
    return [folder / name for name in names]


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        raise InputError(
            f"{folder} is missing: add it with images of this class, or remove the class from train"
        ) from None
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({reason(error)}): change its permissions") from None
