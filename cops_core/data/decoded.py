"""Images that were decoded once: a file per part beside the data set, of which later processes map the pages.

Decoding Tiny ImageNet takes about 15 s, ImageNet hours; each command would do it again.
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
# Raised when the same files would be decoded to other pixels than before.
VERSION = 1


def decoded_images(root: Path, name: str, paths: Sequence[Path], shape: ImageTransform) -> Tensor:
    """What `read_images` gives, kept in ROOT/decoded/`name`-KEY.npy; one file of each name.

    KEY stands for all that the pixels depend on: names, sizes and times of change of the files, the shape,
    and the decoder's version. A file that is not whole counts as not there; where none can be written,
    the images are decoded each time.
    """
    try:
        file = root / FOLDER / f"{name}-{_key(paths, shape)}.npy"
    except OSError:
        return read_images(paths, shape)  # which says what is wrong with which file
    expected = (len(paths), 3, shape.size, shape.size)
    kept = _mapped(file, expected)
    if kept is None:
        images = read_images(paths, shape)
        _keep(images, file, name)
        kept = _mapped(file, expected)
        return images if kept is None else kept  # mapped, its pages need no memory of this process's own
    return kept


def _key(paths: Sequence[Path], shape: ImageTransform) -> str:
    digest = hashlib.sha256(f"{VERSION} {DECODER} {shape.name} {shape.size}".encode())
    for path in paths:
        stat = path.stat()
        digest.update(f"\n{path}\t{stat.st_size}\t{stat.st_mtime_ns}".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _mapped(file: Path, expected: tuple[int, ...]) -> Tensor | None:
    """The file's array; who writes into it changes this process's copy alone. None if it is not whole."""
    try:
        array = np.load(file, mmap_mode="c")
    except (OSError, EOFError, ValueError):
        return None
    if array.shape != expected or array.dtype != np.uint8 or not array.flags.c_contiguous:
        return None
    return torch.from_numpy(array)


def _keep(images: Tensor, file: Path, name: str) -> None:
    """Write the file, whole or not at all, in place of others of this name. A full disk is no error."""
    with suppress(OSError):
        file.parent.mkdir(exist_ok=True)
        with whole_file(file) as temporary, temporary.open("wb") as stream:
            np.save(stream, images.numpy())
        for other in file.parent.glob(f"{name}-{'?' * 32}.npy"):
            if other != file:
                other.unlink(missing_ok=True)
