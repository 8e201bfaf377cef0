"""Image files as bytes of one size. Only this file imports Pillow.

Images are decoded by one thread: Pillow holds Python's lock, so a second thread does not help (measured:
0.12 ms per 64 x 64 JPEG with one thread, 0.16 ms with two). Tiny ImageNet takes about 15 s.
"""

import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, __version__, features
from torch import Tensor

from cops_core.data.files import reason
from cops_core.errors import InputError

# Suffixes of image files, in lower case.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# The formats of these files. Pillow knows more, and gives some, such as EPS, to other programs to run.
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
# Modes with 8 bits (or one) per channel; a conversion of others, such as 16-bit grey, would clip values.
MODES = ("1", "CMYK", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "YCbCr")
# What Pillow raises for files that are broken, truncated, of another format, or extremely large.
BROKEN = (
    OSError,
    EOFError,
    IndexError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

# Other versions may decode the same JPEG to other pixels, because of rounding.
DECODER = f"Pillow {__version__}, JPEG {features.version('jpg')}"


@dataclass(frozen=True)
class ImageTransform:
    """Makes RGB images square.

    Attributes:
        name: Of the transform, for the cache's key.
        size: The result has `size` x `size` pixels.
        apply: The function. It raises ValueError with the reason if an image does not fit.
    """

    name: str
    size: int
    apply: Callable[[Image.Image], Image.Image]


def read_images(paths: Sequence[Path], shape: ImageTransform) -> Tensor:
    """Decode image files.

    Grey images get three equal channels, palettes and CMYK become RGB, and transparent pixels are blended
    with black. Of an animation the first image is used. A camera's orientation tag is ignored.

    Args:
        paths: The N files.
        shape: Makes each image square.

    Returns:
        uint8 of shape (N, 3, size, size).

    Raises:
        InputError: A file is not a complete image; the message names it.
    """
    images = torch.empty((len(paths), 3, shape.size, shape.size), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # about cameras' tags; some of ImageNet are broken
        for place, path in enumerate(paths):
            images[place] = torch.from_numpy(_read(path, shape).transpose(2, 0, 1).copy())
    return images


def _read(path: Path, shape: ImageTransform) -> np.ndarray:
    """An image's pixels, uint8 of shape (height, width, 3)."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return np.asarray(shape.apply(_rgb(image)))
    except FileNotFoundError:
        raise InputError(f"{path} is missing: put the data set's files there again") from None
    except BROKEN as error:
        raise InputError(
            f"{path} cannot be read as an image ({reason(error)}): replace or remove it"
        ) from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode not in MODES:
        raise ValueError(f"its pixels are of Pillow's mode {image.mode}, not 8 bits per channel")
    if image.has_transparency_data:
        whole = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", whole.size, (0, 0, 0, 255)), whole).convert("RGB")
    return image.convert("RGB")


def exactly(size: int) -> ImageTransform:
    """A transform for images that already have this size; it refuses all others."""

    def apply(image: Image.Image) -> Image.Image:
        if image.size != (size, size):
            width, height = image.size
            raise ValueError(f"it is {width} x {height}, not {size} x {size}")
        return image

    return ImageTransform("exactly", size, apply)


def centre(size: int) -> ImageTransform:
    """A transform that scales the shorter side to `size` and crops the longer one to its centre.

    With Pillow's bilinear filter, which averages over all pixels that a new pixel covers (antialiasing).
    Images that already have this size do not change.
    """

    def apply(image: Image.Image) -> Image.Image:
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        # Resize and crop in one step: an image of 1 x 100,000 would become one of size x (100,000 size).
        box = (left, top, left + side, top + side)
        return image.resize((size, size), Image.Resampling.BILINEAR, box=box)

    return ImageTransform("centre", size, apply)
