"""A cache of decoded images: one file per part in the folder for downloads, which later processes map.

Decoding takes about 15 s for Tiny ImageNet and hours for ImageNet; otherwise each command would repeat it.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cops_core.data.images import DECODER, ImageTransform, read_images
from cops_core.whole_file import whole_file

FOLDER = "decoded"
# Increase it when the same files are decoded to other pixels than before.
VERSION = 1


def decoded_images(root: Path, name: str, paths: Sequence[Path], shape: ImageTransform) -> Tensor:
    """The result of `read_images`, kept in ROOT/decoded/`name`-KEY.npy; one file per name.

    KEY is a hash of all that the pixels depend on: names, sizes and modification times of the files, the
    transform, and the decoder's version. An incomplete file counts as missing. If no file can be written, the
    images are decoded each time.

    Args:
        root: The folder for downloads.
        name: Of the part, e.g. "tiny_imagenet-train".
        paths: The N image files.
        shape: Makes each image square.

    Returns:
        uint8 of shape (N, 3, size, size).

    Raises:
        InputError: See `read_images`.
    """
    try:
        file = root / FOLDER / f"{name}-{_key(paths, shape)}.npy"
    except OSError:
        return read_images(paths, shape)  # its error names the file and the reason
    expected = (len(paths), 3, shape.size, shape.size)
    kept = _mapped(file, expected)
    if kept is None:
        images = read_images(paths, shape)
        _keep(images, file, name)
        kept = _mapped(file, expected)
        return images if kept is None else kept  # mapped pages need no private memory
    return kept


def _key(paths: Sequence[Path], shape: ImageTransform) -> str:
    digest = hashlib.sha256(f"{VERSION} {DECODER} {shape.name} {shape.size}".encode())
    for path in paths:
        stat = path.stat()
        digest.update(f"\n{path}\t{stat.st_size}\t{stat.st_mtime_ns}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _mapped(file: Path, expected: tuple[int, ...]) -> Tensor | None:
    """The file's array, mapped copy-on-write; None if the file is missing or incomplete."""
    try:
        array = np.load(file, mmap_mode="c")
    except (OSError, EOFError, ValueError):
        return None
    if array.shape != expected or array.dtype != np.uint8 or not array.flags.c_contiguous:
        return None
    return torch.from_numpy(array)


def _keep(images: Tensor, file: Path, name: str) -> None:
    """Write the file, completely or not at all, and remove older ones of this name. Ignores a full disk."""
    with suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        with whole_file(file) as temporary, temporary.open("wb") as stream:
            np.save(stream, images.numpy())
        for other in file.parent.glob(f"{name}-{'?' * 32}.npy"):
            if other != file:
                other.unlink(missing_ok=True)
