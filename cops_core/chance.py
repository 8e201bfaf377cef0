"""Whether a network knows more than the most frequent class."""

from scipy.special import bdtrc
from torch import Tensor

# Of networks that guess, this share is called better than chance.
LEVEL = 0.01


def at_chance(accuracy: float, labels: Tensor) -> bool:
    """Whether an accuracy may be that of guessing.

    Guessing is one answer for every image: the most frequent class. A one-sided binomial test: the accuracy
    is at chance unless guessing would be as good with a probability of less than `LEVEL`.

    Args:
        accuracy: In [0, 1].
        labels: Of the images, whole numbers, shape (N,).

    Returns:
        True if the network may as well have guessed.
    """
    images = len(labels)
    correct = round(accuracy * images)
    guess = float(labels.bincount().max()) / images
    return bool(bdtrc(correct - 1, images, guess) >= LEVEL)
