"""What all parts of a session share: the device, and how much is measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch

from cops_core.data import ImageData


@dataclass(frozen=True)
class Setting:
    """How a session runs.

    Attributes:
        device: `cuda`, `cuda:1` ... or `cpu`.
    """

    device: str

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device != "cpu"

    @property
    def smallest(self) -> bool:
        """Whether everything is as small as possible: on the CPU, to try the session itself."""
        return not self.on_gpu

    def synchronize(self) -> None:
        """Wait for what the device does."""
        if self.on_gpu:
            torch.cuda.synchronize()

    def seconds(self, job: Callable[[], object], repeats: int) -> float:
        """The median duration of a job, in seconds, until the device has done it."""
        found = []
        for _ in range(repeats):
            self.synchronize()
            began = time.perf_counter()
            job()
            self.synchronize()
            found.append(time.perf_counter() - began)
        return median(found)


def made_data(shape: tuple[int, int, int], images: int, classes: int = 10) -> ImageData:
    """Random images, of which each class has its own mean: a session needs no download.

    Args:
        shape: (channels, height, width).
        images: Of the training part, at least 10 for each class; the test part has a tenth.
        classes: The number of classes.
    """
    draws = torch.Generator().manual_seed(0)
    means = torch.randint(0, 128, (classes, *shape), generator=draws)

    def part(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.arange(count) % classes
        noise = torch.randint(0, 128, (count, *shape), generator=draws)
        return (means[labels] + noise).byte(), labels

    train, test = part(images), part(images // 10)
    return ImageData(
        name="made",
        classes=classes,
        train_images=train[0],
        train_labels=train[1],
        test_images=test[0],
        test_labels=test[1],
    )
