"""Data sets in MNIST's file format: MNIST itself and Fashion-MNIST."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cops_core.data.base import ImageData
from cops_core.data.files import download_once, reason
from cops_core.errors import InputError
from cops_core.vision import torchvision_datasets

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

# The folder of Debian's package dataset-fashion-mnist.
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


def fashion_mnist(root: Path) -> ImageData:
    """Fashion-MNIST (Xiao et al. 2017): 60,000 + 10,000 grey images of 28 x 28, 10 classes.

    From Debian's package if it is installed, else from `root`, downloaded once by torchvision.
    """
    if DEBIAN_FASHION_MNIST.is_dir():
        return read_idx_folder("fashion_mnist", DEBIAN_FASHION_MNIST)
    hint = "install Debian's package dataset-fashion-mnist"
    return read_idx_folder("fashion_mnist", _downloaded("FashionMNIST", root, hint))


def mnist(root: Path) -> ImageData:
    """MNIST (LeCun et al. 1998): 60,000 + 10,000 grey images of 28 x 28, from `root` or downloaded."""
    return read_idx_folder("mnist", _downloaded("MNIST", root, "use fashion_mnist or digits instead"))


def read_idx_folder(name: str, folder: Path) -> ImageData:
    """A data set from its four files, plain or gzipped.

    Args:
        name: The data set's key in `DATASETS`.
        folder: The folder of the files.

    Returns:
        The images and labels.

    Raises:
        InputError: A file is missing or broken, or the numbers of images and labels differ.
    """
    train_labels, test_labels = (
        read_idx(folder / f"{part}-labels-idx1-ubyte", 1).to(torch.int64) for part in ("train", "t10k")
    )
    train_images, test_images = (
        read_idx(folder / f"{part}-images-idx3-ubyte", 3).unsqueeze(1) for part in ("train", "t10k")
    )
    counts = [len(part) for part in (train_images, train_labels, test_images, test_labels)]
    if counts[0] != counts[1] or counts[2] != counts[3] or 0 in counts:
        raise InputError(
            f"{folder} has {counts[0]} + {counts[2]} images and {counts[1]} + {counts[3]} labels:"
            " download its four files again"
        )
    return ImageData(
        name=name,
        classes=int(train_labels.max()) + 1,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
    )


def read_idx(path: Path, dimensions: int) -> Tensor:
    """The array of an IDX file.

    Args:
        path: The file; if it does not exist, `path` + `.gz` is read.
        dimensions: The array's number of dimensions.

    Returns:
        uint8.

    Raises:
        InputError: The file is missing or broken.
    """
    file = path if path.exists() else _packed(path)
    try:
        content = file.read_bytes() if file == path else gzip.decompress(file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} is missing: put the data set's four files into {path.parent}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file} cannot be read ({reason(error)}): download it again") from None
    # Header: two zero bytes, the type (8 = unsigned byte), the number of dimensions, then each size.
    start = 4 + 4 * dimensions
    whole = len(content) >= start and content[:4] == bytes((0, 0, 8, dimensions))
    sizes = struct.unpack_from(f">{dimensions}I", content, 4) if whole else ()
    if not whole or len(content) != start + math.prod(sizes):
        raise InputError(
            f"{file} is not a complete {dimensions}-dimensional IDX file of bytes: download it again"
        )
    array = np.frombuffer(content, dtype=np.uint8, offset=start).reshape(sizes)
    return torch.from_numpy(array.copy())


def _packed(path: Path) -> Path:
    return path.with_name(path.name + ".gz")


def is_downloaded(torchvision_name: str, root: Path) -> bool:
    """Whether torchvision has downloaded the four files.

    Args:
        torchvision_name: torchvision's name of the data set, e.g. "FashionMNIST".
        root: The folder for downloads.

    Returns:
        True if all files exist.
    """
    return _complete(root / torchvision_name / "raw")


def _complete(folder: Path) -> bool:
    return all(file.exists() or _packed(file).exists() for file in map(folder.joinpath, FILES))


def _downloaded(torchvision_name: str, root: Path, hint: str) -> Path:
    """The folder of raw files under `root`, downloaded by torchvision if necessary."""
    folder = root / torchvision_name / "raw"
    if not _complete(folder):
        loader = getattr(torchvision_datasets(), torchvision_name)
        download_once(
            torchvision_name,
            folder,
            root,
            complete=lambda: _complete(folder),
            fetch=lambda: loader(root, download=True),
            hint=hint,
        )
    return folder
