"""Tiny ImageNet (Stanford's course CS231n, 2015), from the folders of its archive."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from cops_core.data.base import ImageData
from cops_core.data.decoded import decoded_images
from cops_core.data.files import download_once, reason
from cops_core.data.images import exactly
from cops_core.errors import InputError
from cops_core.vision import torchvision_datasets

HOME = "https://cs231n.stanford.edu"
FOLDER = "tiny-imagenet-200"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
SIZE = 64


def tiny_imagenet(root: Path) -> ImageData:
    """Tiny ImageNet: 100,000 + 10,000 colour images of 64 x 64, 200 classes, from `root` or downloaded.

    Classes are numbered as in wnids.txt. The archive's `val` images are the test part; its `test` images
    have no labels and are not read. Training images are sorted by class and then as in WNID_boxes.txt, test
    images as in val_annotations.txt.

    Args:
        root: The folder for downloads.

    Returns:
        The images and labels.

    Raises:
        InputError: A file is missing or broken; the message names it.
    """
    folder = _downloaded(root)
    labels = {row[0]: label for label, row in enumerate(_rows(folder / "wnids.txt"))}
    train, train_labels = _train(folder / "train", labels)
    test, test_labels = _val(folder / "val", labels)
    return ImageData(
        name="tiny_imagenet",
        classes=len(labels),
        train_images=decoded_images(root, "tiny_imagenet-train", train, exactly(SIZE)),
        train_labels=train_labels,
        test_images=decoded_images(root, "tiny_imagenet-val", test, exactly(SIZE)),
        test_labels=test_labels,
    )


def is_unpacked(root: Path) -> bool:
    """Whether the archive's lists exist under `root`. Its images then exist, too: the folder is moved."""
    folder = root / FOLDER
    return all((folder / path).exists() for path in ("wnids.txt", "train", "val/val_annotations.txt"))


def _train(folder: Path, labels: dict[str, int]) -> tuple[list[Path], Tensor]:
    """The files that train/WNID/WNID_boxes.txt lists, and their classes.

    Not the existing files: an incomplete archive is an error, not a smaller data set.
    """
    files, found = [], []
    for wnid, label in labels.items():
        names = [row[0] for row in _rows(folder / wnid / f"{wnid}_boxes.txt")]
        files += [folder / wnid / "images" / name for name in names]
        found += [label] * len(names)
    return files, torch.tensor(found)


def _val(folder: Path, labels: dict[str, int]) -> tuple[list[Path], Tensor]:
    """The images of `val` and their classes, in the order of val_annotations.txt."""
    path = folder / "val_annotations.txt"
    files, found = [], []
    for row in _rows(path):
        if len(row) < 2 or row[1] not in labels:
            raise InputError(f"{path} has no class of wnids.txt for {row[0]}: unpack the archive again")
        files.append(folder / "images" / row[0])
        found.append(labels[row[1]])
    present = set(found)
    if absent := [wnid for wnid, label in labels.items() if label not in present]:
        raise InputError(f"{path} has no image of class {absent[0]}: unpack the archive again")
    return files, torch.tensor(found)


def _rows(path: Path) -> list[list[str]]:
    """The lines of a list, each split at tabs; their first words are unique."""
    try:
        rows = [line.split("\t") for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError:
        raise InputError(f"{path} is missing: unpack the archive again") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): unpack the archive again") from None
    names = [row[0] for row in rows]
    if not names or len(set(names)) != len(names):
        raise InputError(f"{path} is empty or has a name twice: unpack the archive again")
    return rows


def _downloaded(root: Path) -> Path:
    """The archive's folder under `root`, downloaded from its home page if necessary."""
    folder = root / FOLDER
    if is_unpacked(root):
        return folder
    hint = f"unpack {HOME}/{FOLDER}.zip in {root}"
    if folder.exists():
        raise InputError(f"{folder} is incomplete: remove it, or {hint}")
    utils = torchvision_datasets().utils

    def fetch() -> None:
        # Unpacked into a temporary folder and moved, so that an existing folder is complete.
        with TemporaryDirectory(dir=root) as beside:
            utils.download_and_extract_archive(f"{HOME}/{FOLDER}.zip", beside, md5=MD5)
            (Path(beside) / FOLDER).replace(folder)

    download_once("TinyImageNet", folder, root, lambda: is_unpacked(root), fetch, hint)
    return folder
