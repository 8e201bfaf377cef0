"""scikit-learn's digits: 1,797 grey images of 8 x 8. No download."""

from pathlib import Path

import torch

from cops_core.data.base import ImageData
from cops_core.streams import stream

TEST_IMAGES = 360


def digits(root: Path) -> ImageData:
    """Digits of scikit-learn: 1,437 + 360 grey images of 8 x 8, pixels in [0, 16], 10 classes, no download.

    `root` is not used. The data set has no test part: a fixed fifth is used as one, the same for every seed.
    """
    # The import of scikit-learn takes 0.8 s, which workers with other data should not need.
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
