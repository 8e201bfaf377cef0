"""Image files as bytes of one size: the only file that imports Pillow.

One thread decodes: Pillow holds Python's lock meanwhile, so that a second one gains nothing (measured:
64 x 64 JPEGs in 0.12 ms each with one thread, 0.16 ms with two). Tiny ImageNet takes about 15 s.
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

# Suffixes, in lower case, of files that are taken for images.
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Modes of 8 bits (or one) per channel; converting others, such as 16-bit grey, would clip them.
MODES = ("1", "CMYK", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "YCbCr")
# What Pillow raises for a file that is broken, cut short, of another kind, or absurdly large.
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

# Another version may decode the same JPEG to other pixels, by a rounding.
DECODER = f"Pillow {__version__}, JPEG {features.version('jpg')}"


@dataclass(frozen=True)
class ImageTransform:
    """Makes an RGB image of `size` x `size` of one of any size. name: of the way.

    apply: a ValueError says why it cannot.
    """

    name: str
    size: int
    apply: Callable[[Image.Image], Image.Image]


def read_images(paths: Sequence[Path], shape: ImageTransform) -> Tensor:
    """The images in these files, uint8 of shape (N, 3, height, width), as `shape` makes them.

    Grey ones get three equal channels; palettes and CMYK become RGB; what is transparent lies on black. Of
    an animation it is the first image. A camera's note that the image should be turned is not followed.
    Raises InputError, naming the file, for what is no whole image.
    """
    images = torch.empty((len(paths), 3, shape.size, shape.size), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # of cameras' notes; ImageNet has broken ones
        for place, path in enumerate(paths):
            images[place] = torch.from_numpy(_read(path, shape).transpose(2, 0, 1).copy())
    return images


def _read(path: Path, shape: ImageTransform) -> np.ndarray:
    """An image's pixels, uint8 of shape (height, width, 3)."""
    try:
        with Image.open(path) as image:
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
    """For `read_images`: images have this size already."""

    def apply(image: Image.Image) -> Image.Image:
        if image.size != (size, size):
            width, height = image.size
            raise ValueError(f"it is {width} x {height}, not {size} x {size}")
        return image

    return ImageTransform("exactly", size, apply)


def centre(size: int) -> ImageTransform:
    """For `read_images`: the shorter side becomes `size`, of the longer one the middle is kept.

    Pillow's bilinear filter, which averages over all that a new pixel covers (antialiased); an image of that
    size already stays as it is.
    """

    def apply(image: Image.Image) -> Image.Image:
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        # Resized and cropped in one: an image of 1 x 100,000 would become one of size x 100,000 size.
        box = (left, top, left + side, top + side)
        return image.resize((size, size), Image.Resampling.BILINEAR, box=box)

    return ImageTransform("centre", size, apply)
