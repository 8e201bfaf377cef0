"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), from their binary versions: nothing is unpickled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from cops_core.data.base import ImageData
from cops_core.data.files import download_once, reason
from cops_core.errors import InputError
from cops_core.vision import torchvision_datasets

HOME = "https://www.cs.toronto.edu/~kriz"
SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Binary:
    """The binary version of a data set.

    Attributes:
        name: torchvision's name, for messages.
        folder: The archive's folder.
        train: Files of the training part.
        test: The file of the test part.
        labels: The number of values of each label byte before a record's pixels; the last is the class.
        archive: The archive's name.
        md5: The archive's MD5.
    """

    name: str
    folder: str
    train: Sequence[str]
    test: str
    labels: tuple[int, ...]
    archive: str
    md5: str

    @property
    def files(self) -> tuple[str, ...]:
        """All files of the folder that are read."""
        return (*self.train, self.test)

    def complete(self, root: Path) -> bool:
        """Whether all files exist under `root`."""
        return all((root / self.folder / file).exists() for file in self.files)


CIFAR10 = Binary(
    name="CIFAR10",
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test="test_batch.bin",
    labels=(10,),
    archive="cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
)
CIFAR100 = Binary(
    name="CIFAR100",
    folder="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    labels=(20, 100),  # the superclass, then the class
    archive="cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
)


def cifar10(root: Path) -> ImageData:
    """CIFAR-10: 50,000 + 10,000 colour images of 32 x 32, 10 classes, from `root` or downloaded."""
    return _read_folder("cifar10", CIFAR10, _downloaded(CIFAR10, root))


def cifar100(root: Path) -> ImageData:
    """CIFAR-100: 50,000 + 10,000 colour images of 32 x 32, 100 classes, from `root` or downloaded."""
    return _read_folder("cifar100", CIFAR100, _downloaded(CIFAR100, root))


def read_records(path: Path, labels: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The images and classes of a file of records.

    Args:
        path: The file.
        labels: A record starts with one byte per number, each less than that number; the last one is the
            class. Then the red, green and blue pixels follow.

    Returns:
        Images, uint8 of shape (N, 3, 32, 32), and classes, int64 of shape (N,).

    Raises:
        InputError: The file cannot be read or has another format.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}): download it again") from None
    size = len(labels) + PIXELS
    if not content or len(content) % size:
        raise InputError(f"{path} does not consist of records of {size} bytes: download the binary version")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, size)
    if (records[:, : len(labels)] >= labels).any():
        raise InputError(f"{path} has labels that do not exist: download the binary version again")
    images = torch.from_numpy(records[:, len(labels) :].reshape(-1, *SHAPE).copy())
    return images, torch.from_numpy(records[:, len(labels) - 1].astype(np.int64))


def _read_folder(name: str, binary: Binary, folder: Path) -> ImageData:
    parts = [read_records(folder / file, binary.labels) for file in binary.train]
    test_images, test_labels = read_records(folder / binary.test, binary.labels)
    return ImageData(
        name=name,
        classes=binary.labels[-1],
        train_images=torch.cat([images for images, _ in parts]),
        train_labels=torch.cat([labels for _, labels in parts]),
        test_images=test_images,
        test_labels=test_labels,
    )


def _downloaded(binary: Binary, root: Path) -> Path:
    """The folder of binary files under `root`, downloaded from the data set's home page if necessary."""
    folder = root / binary.folder
    if not binary.complete(root):
        utils = torchvision_datasets().utils

        def fetch() -> None:
            # Unpacked into a temporary folder and moved, so that existing files are complete.
            with TemporaryDirectory(dir=root) as beside:
                url = f"{HOME}/{binary.archive}"
                utils.download_and_extract_archive(url, beside, md5=binary.md5)
                folder.mkdir(exist_ok=True)
                for file in binary.files:
                    (Path(beside) / binary.folder / file).replace(folder / file)

        hint = f"unpack {HOME}/{binary.archive} in {root}"
        download_once(binary.name, folder, root, lambda: binary.complete(root), fetch, hint)
    return folder
