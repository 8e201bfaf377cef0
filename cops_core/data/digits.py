"""scikit-learn's bundled digits: 1,797 grey images of 8 x 8. Needs no download."""

from pathlib import Path

import torch

from cops_core.data.base import ImageData
from cops_core.streams import stream

TEST_IMAGES = 360


def digits(root: Path) -> ImageData:
    """The digits; `root` is not used. Pixels 0..16.

    The data set has no test part of its own: a fixed fifth serves as one, the same for every seed.
    """
    # scikit-learn takes 0.8 s to import, which no worker pays that trains on other data.
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
    labels = torch.from_numpy(bunch.target).to(torch.int64)
    order = torch.from_numpy(stream(0, "digits", "test part").permutation(len(labels)))
    test, train = order[:TEST_IMAGES].sort().values, order[TEST_IMAGES:].sort().values
    return ImageData(
        name="digits",
        classes=10,
        train_images=images[train],
        train_labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
    )
