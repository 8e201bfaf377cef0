"""Folders of images, laid out as ImageNet is (Deng et al. 2009): a folder per class, in `train` and `val`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from cops_core.data.base import ImageData
from cops_core.data.decoded import decoded_images
from cops_core.data.files import reason
from cops_core.data.images import SUFFIXES, centre
from cops_core.errors import InputError

LARGEST = 1024


def image_folder(name: str, size: int, *, folder: str | None = None) -> Callable[[Path], ImageData]:
    """A loader of the images in ROOT/`folder`, by default ROOT/`name`, as `size` x `size` in colour.

    It holds train/CLASS/* and val/CLASS/*, images of any sizes and of the kinds in `SUFFIXES`. `val` is
    the test part: studies hold out their validation images of `train`. Classes are numbered in the order
    of their folders' names; both parts have all of them. Images lie in the order of their files' names.
    Each is scaled until its shorter side is `size`, and cropped to its middle (see `images.centre`).
    Hidden files are passed over, and so is what lies beside the classes' folders.

    Raises InputError for a size outside [1, 1024]. The loader raises InputError, naming the file or
    folder, for one that is missing or empty, and for a file that is no whole image.
    """
    if not 1 <= size <= LARGEST:
        raise InputError(f"image size {size} of data set {name!r}: write a whole number from 1 to {LARGEST}")

    def load(root: Path) -> ImageData:
        home = root / (folder or name)
        for part in ("train", "val"):
            if not (home / part).is_dir():
                raise InputError(
                    f"{home / part} is no folder: put a folder of images per class there, or link to it"
                )
        classes = _folders(home / "train")
        if unknown := sorted(set(_folders(home / "val")) - set(classes)):
            raise InputError(
                f"{home / 'val' / unknown[0]} is a class without training images: add {home / 'train'}"
                f"/{unknown[0]}, or remove it"
            )
        train, train_labels = _part(home / "train", classes)
        test, test_labels = _part(home / "val", classes)
        return ImageData(
            name=name,
            classes=len(classes),
            train_images=decoded_images(root, f"{name}-train", train, centre(size)),
            train_labels=train_labels,
            test_images=decoded_images(root, f"{name}-val", test, centre(size)),
            test_labels=test_labels,
        )

    return load


def has_both_parts(folder: str, root: Path) -> bool:
    """Whether both parts lie in `folder` under `root`."""
    return all((root / folder / part).is_dir() for part in ("train", "val"))


imagenet64 = image_folder("imagenet64", 64, folder="imagenet")
"""ImageNet at 64 x 64, from ROOT/imagenet: 1.28 million + 50,000 images, 1,000 classes, 16 GB of memory."""


def _folders(part: Path) -> list[str]:
    """Names of the classes in `part`, in order."""
    found = [name for name in _listed(part) if (part / name).is_dir()]
    if not found:
        raise InputError(f"{part} holds no folders: write a folder of images for each class")
    return found


def _part(part: Path, classes: Sequence[str]) -> tuple[list[Path], Tensor]:
    """All image files of a part and their labels, class by class."""
    files = [_files(part / name) for name in classes]
    labels = [torch.full((len(some),), label) for label, some in enumerate(files)]
    return [path for some in files for path in some], torch.cat(labels)


def _files(folder: Path) -> list[Path]:
    """A class's images; what else is there is refused, since nobody would miss it otherwise."""
    names = _listed(folder)
    if not names:
        raise InputError(f"{folder} holds no images: add some, or remove the class from train and val")
    for name in names:
        if not name.lower().endswith(SUFFIXES):
            raise InputError(f"{folder / name} is no image: remove it, or write one of {', '.join(SUFFIXES)}")
    return [folder / name for name in names]


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        raise InputError(
            f"{folder} is missing: add it with images of that class, or remove it from train"
        ) from None
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({reason(error)}): change its permissions") from None
