"""The class of data sets, and how a trial's seed splits one.

A loader returns an `ImageData`: raw images and labels, with separate training and test parts. The data set
itself defines the test part, so that no seed trains on it. The trial's seed splits the training part into
training and validation.
"""

import hashlib
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from cops_core.data.channels import channel_counts, mean_and_deviation
from cops_core.data.part import Normalisation, Part
from cops_core.errors import InputError
from cops_core.streams import stream

MIN_DEVIATION = 1e-6  # for a constant channel


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """A data set of raw images.

    Equal only to itself: a comparison of pixels would be too expensive for caches.

    Attributes:
        name: Its key in `DATASETS`.
        classes: The number of classes, at least 2.
        train_images: uint8 of shape (N, channels, height, width).
        train_labels: int64 of shape (N,), in [0, classes).
        test_images: The same for the test part.
        test_labels: The same for the test part.
    """

    name: str
    classes: int
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of an image."""
        channels, height, width = self.train_images.shape[1:]
        return (channels, height, width)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 over all images and labels."""
        digest = hashlib.sha256()
        for part in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(part.contiguous().numpy().data)  # the tensor's own memory, not a copy
        return digest.hexdigest()


@dataclass(frozen=True)
class Split:
    """A data set split by a seed.

    Attributes:
        data: The data set.
        train: The training part.
        validation: The validation part.
        train_index: The positions of the training images in `data`, shape (N,).
        mean: Of the training part's channels, by which all parts are normalised, shape (1, channels, 1, 1).
        deviation: The same for the standard deviation.
    """

    data: ImageData
    train: Part
    validation: Part
    train_index: np.ndarray
    mean: Tensor
    deviation: Tensor

    def scoring_batch(
        self,
        seed: int,
        per_class: int,
        *,
        class_balanced: bool = True,
        round_: int = 1,
        number: int = 1,
        needed: bool = True,
    ) -> tuple[tuple[Tensor, Tensor], list[int]]:
        """Training images on which weights are scored, without augmentation.

        Args:
            seed: The trial's, in [0, 2**32). Each batch of each round has its own random stream.
            per_class: Images of each class, at least 1.
            class_balanced: False draws the same number of images from the whole training part, of any class.
            round_: The round, 1 is the first.
            number: Of the round's batches; 1 is the first.
            needed: Whether a score reads the images. If none does, a part with too few gives what it has.

        Returns:
            (images, labels), and their positions in the data set.

        Raises:
            InputError: The training part has too few images.
        """
        later = [round_, number] if number > 1 else [round_] if round_ > 1 else []
        draws = stream(seed, "scoring batch", *later)
        if needed:
            check_enough(self.data, self.train.labels.cpu(), seed, per_class, class_balanced=class_balanced)
        index = self._balanced(draws, per_class) if class_balanced else self._any(draws, per_class)
        places = torch.from_numpy(index).to(self.train.labels.device)
        return (self.train.at(places), self.train.labels[places]), self.train_index[index].tolist()

    def _any(self, draws: np.random.RandomState, per_class: int) -> np.ndarray:
        return np.sort(draws.permutation(len(self.train))[: per_class * self.data.classes])

    def _balanced(self, draws: np.random.RandomState, per_class: int) -> np.ndarray:
        labels = self.train.labels.cpu().numpy()
        chosen = []
        for label in range(self.data.classes):
            chosen.append(draws.permutation(np.flatnonzero(labels == label))[:per_class])
        return np.sort(np.concatenate(chosen))

    @property
    def black(self) -> Tensor:
        """A black pixel, normalised like the images, on their device; shape (1, channels, 1, 1)."""
        return ((0 - self.mean) / self.deviation).to(self.train.labels.device)

    def to(self, device: torch.device) -> "Split":
        """This split on `device`."""
        return replace(self, train=self.train.to(device), validation=self.validation.to(device))

    def test(self) -> Part:
        """The test part, for the evaluation after all choices have been made."""
        normalisation = Normalisation(self.mean, self.deviation)
        part = Part(self.data.test_images, self.data.test_labels, normalisation)
        return part.to(self.train.labels.device)


def check_enough(
    data: ImageData, labels: Tensor, seed: int, per_class: int, *, class_balanced: bool = True
) -> None:
    """Check that a scoring batch can be drawn.

    Args:
        data: The data set.
        labels: Those of the training part that the seed leaves, shape (N,).
        seed: The trial's, for the message.
        per_class: Images of each class.
        class_balanced: See `Split.scoring_batch`.

    Raises:
        InputError: A class, or the whole part, has too few images.
    """
    if not class_balanced:
        size = per_class * data.classes
        if size > len(labels):
            raise InputError(
                f"samples_per_class {per_class} needs {size} of the {len(labels)} training images"
                f" of {data.name}: write {len(labels) // data.classes} or less"
            )
        return
    counts = torch.bincount(labels, minlength=data.classes)
    label, fewest = int(counts.argmin()), int(counts.min())
    if not fewest:
        raise InputError(
            f"class {label} of {data.name} has no image in the training part (seed {seed}), and scores read"
            f" {per_class} of each class: write a data set with more images of it, or without the class"
        )
    if fewest < per_class:
        raise InputError(
            f"samples_per_class {per_class} is more than the {fewest} training images"
            f" of class {label} of {data.name} (seed {seed}): write {fewest} or less, or a data set with more"
        )


def split_places(total: int, seed: int, validation_fraction: Decimal) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the training and of the validation images.

    Args:
        total: The number of images of the data set's training part.
        seed: The trial's, in [0, 2**32).
        validation_fraction: Fraction of the training images for validation, in (0, 1).

    Returns:
        Two arrays, ascending.

    Raises:
        InputError: A part would be empty.
    """
    held_out = int((validation_fraction * total).to_integral_value(ROUND_HALF_UP))
    if not 0 < held_out < total:
        raise InputError(
            f"validation_fraction {validation_fraction} of {total} images leaves a part empty:"
            " write a fraction nearer to 0.1"
        )
    order = stream(seed, "split").permutation(total)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def split(data: ImageData, seed: int, validation_fraction: Decimal) -> Split:
    """Split a data set into training and validation part; the test part does not change.

    Channels are normalised by the mean and deviation of the training part only. No part is a copy: each
    refers to the bytes of `data`, and a batch is normalised when it is read. On the CPU this takes as long as
    gathering floats, which would have four times as many bytes (30 us for 100 images of Fashion-MNIST).

    Args:
        data: The data set.
        seed: The trial's, in [0, 2**32).
        validation_fraction: Fraction of the training images for validation, in (0, 1).

    Returns:
        The split.

    Raises:
        InputError: A part would be empty.
    """
    train, validation = split_places(len(data.train_labels), seed, validation_fraction)
    mean, deviation = mean_and_deviation(channel_counts(data.train_images, torch.from_numpy(train)))
    deviation = deviation.clamp_min(MIN_DEVIATION)

    def part(index: np.ndarray) -> Part:
        places = torch.from_numpy(index)
        return Part(data.train_images, data.train_labels[places], Normalisation(mean, deviation), places)

    return Split(data, part(train), part(validation), train, mean, deviation)
