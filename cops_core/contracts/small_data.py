"""A network with a few images of its own data, and masks for it: enough to check it in a second."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

import torch
from torch import Tensor, nn

from cops_core.config import TrialConfig
from cops_core.data import ImageData, Split, split
from cops_core.initialization import initial_network
from cops_core.mask import Mask
from cops_core.prunable import maskable
from cops_core.streams import stream
from cops_core.train import DTYPES

SEED = 0
TRAIN_IMAGES, TEST_IMAGES, BATCH = 16, 4, 6
VALIDATION = Decimal("0.25")
LARGE = 1_000_000  # parameters


@dataclass(frozen=True)
class SmallNetwork:
    """A network with a few images of its data.

    Attributes:
        config: A configuration of the network.
        data: Its data set.
        extensions: Names and SHA-256 of plugins.
    """

    config: TrialConfig
    data: ImageData
    extensions: Mapping[str, str]

    @cached_property
    def split(self) -> Split:
        """A few images, split."""
        return split(_few(self.data), SEED, VALIDATION)

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor]:
        """Images and labels, in the type of the weights."""
        images, labels = next(self.split.train.batches(BATCH))
        return images.to(self.dtype), labels

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return DTYPES[self.config.training.precision]

    @cached_property
    def large(self) -> bool:
        """Whether its training takes seconds."""
        return sum(parameter.numel() for parameter in self.build()[0].parameters()) > LARGE

    def build(self) -> tuple[nn.Module, str]:
        """The network with its initial weights, and their hash.

        It is built each time: a copy's functions may refer to the network that was copied.
        """
        data, config = self.data, self.config
        return initial_network(
            config.model, data.shape, data.classes, SEED, config.initialization, self.dtype
        )


def random_mask(model: nn.Module, density: Decimal) -> Mask:
    """A random mask; each layer keeps at least one weight.

    Args:
        model: The model.
        density: The kept fraction of each layer, in (0, 1].

    Returns:
        The same mask at every call.
    """
    layers = {}
    for name, weight in maskable(model).items():
        order = torch.from_numpy(stream(SEED, "random score", name).permutation(weight.numel()))
        kept = max(1, int(density * weight.numel())) if weight.numel() else 0
        layers[name] = (order < kept).view(weight.shape)
    return Mask(layers)


def _few(data: ImageData) -> ImageData:
    """A few images of a data set, of different classes if possible."""
    order = torch.argsort(data.train_labels[: 100 * TRAIN_IMAGES], stable=True)
    places = order[torch.linspace(0, len(order) - 1, min(TRAIN_IMAGES, len(order))).long()]
    return replace(
        data,
        train_images=data.train_images[places],
        train_labels=data.train_labels[places],
        test_images=data.train_images[places[:TEST_IMAGES]],  # a search reads no test image
        test_labels=data.train_labels[places[:TEST_IMAGES]],
    )
