"""Augmentation: each training image as a slightly different one in every epoch.

On whole batches, on their device. What is drawn depends on the stream alone, never on the images: a
trial that goes on from a checkpoint sees the same crops and flips again.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

PADDING = 4


def none(images: Tensor, black: Tensor, draws: np.random.RandomState) -> Tensor:
    """The images as they are; nothing is drawn."""
    return images


def crop_flip(images: Tensor, black: Tensor, draws: np.random.RandomState) -> Tensor:
    """Random crops out of the images with 4 black pixels around them, half of the crops mirrored.

    The usual augmentation of CIFAR (He et al. 2016, section 4.2). Crops have the images' own size;
    each place and each side is as likely as the other.

    images: shape (N, channels, height, width). black: what a black pixel is after normalisation,
    shape (1, channels, 1, 1).
    """
    count, channels, height, width = images.shape
    top, left = draws.randint(0, 2 * PADDING + 1, size=(2, count, 1))
    mirrored = draws.randint(0, 2, size=(count, 1)).astype(bool)
    rows, places = top + np.arange(height), np.arange(width)
    columns = left + np.where(mirrored, places[::-1], places)
    padded = black.expand(count, channels, height + 2 * PADDING, width + 2 * PADDING).clone()
    padded[:, :, PADDING:-PADDING, PADDING:-PADDING] = images
    return padded[
        torch.arange(count, device=images.device)[:, None, None, None],
        torch.arange(channels, device=images.device)[:, None, None],
        torch.from_numpy(rows).to(images.device)[:, None, :, None],
        torch.from_numpy(columns).to(images.device)[:, None, None, :],
    ]


AUGMENTATIONS: Mapping[str, Callable[[Tensor, Tensor, np.random.RandomState], Tensor]] = {
    "none": none,
    "crop_flip": crop_flip,
}
