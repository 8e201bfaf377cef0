"""Augmentation: each training image is slightly different in every epoch.

It works on batches, on their device. Random draws depend on the stream only, never on the images: a trial
that resumes from a checkpoint sees the same crops and flips again.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

PADDING = 4


def none(images: Tensor, black: Tensor, draws: np.random.RandomState) -> Tensor:
    """No augmentation, and no random draw.

    Args:
        images: Normalised images, shape (N, channels, height, width).
        black: Not used.
        draws: Not used.

    Returns:
        `images` itself.
    """
    return images


def crop_flip(images: Tensor, black: Tensor, draws: np.random.RandomState) -> Tensor:
    """Random crops of the images padded with 4 black pixels on each side, half of the crops mirrored.

    The usual augmentation for CIFAR (He et al. 2016, section 4.2). Positions are drawn uniformly.

    Args:
        images: Normalised images, shape (N, channels, height, width).
        black: The value of a black pixel after normalisation, shape (1, channels, 1, 1).
        draws: The random stream of this epoch.

    Returns:
        Crops of the same shape as `images`, on the same device.
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
