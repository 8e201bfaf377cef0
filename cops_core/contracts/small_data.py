"""A network with a few images of its own data, and masks for it: enough to check it in a second.

A large network is checked on even fewer images, and on smaller ones if it accepts them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cops_core.accounting import multiply_adds
from cops_core.config import TrialConfig
from cops_core.data import ImageData, Split, split
from cops_core.initialization import initial_network, initial_weight
from cops_core.mask import Mask
from cops_core.models import build_model
from cops_core.prunable import maskable
from cops_core.streams import stream
from cops_core.train import DTYPES, autocast

SEED = 0
TEST_IMAGES, BATCH = 4, 6
# Two steps per epoch; of a large network one.
TRAIN_IMAGES, TRAIN_IMAGES_OF_LARGE = 16, 6
VALIDATION = Decimal("0.25")
# Parameters, or multiply-adds for an image: what takes more than a second.
MANY_PARAMETERS, MANY_OPERATIONS = 1_000_000, 50_000_000
SMALLEST_SIDE = 16  # in pixels: below, batch norm in the last layers has too few values


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
    def whole(self) -> Split:
        """A few images of the data's own size, split."""
        return self._every(1)

    @cached_property
    def splits(self) -> list[Split]:
        """The images to check it on. What fails on the first of two is tried on the second, which decides.

        Whole images; for a large network before that smaller ones, if it accepts them.
        """
        side = min(self.data.shape[1:])
        for step in (16, 8, 4, 2) if self.large else ():
            if side // step >= SMALLEST_SIDE and self._accepts(smaller := self._every(step)):
                return [smaller, self.whole]
        return [self.whole]

    def batch(self, images: Split) -> tuple[Tensor, Tensor]:
        """The first training images of a split in the type of the weights, and their labels."""
        found, labels = next(images.train.batches(BATCH))
        return found.to(self.dtype), labels

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return DTYPES[self.config.training.precision]

    @property
    def built(self) -> nn.Module:
        """One network with its initial values, which must not be changed."""
        return self._first[0]

    @cached_property
    def tried(self) -> nn.Module:
        """Another one, to run it on images of several sizes."""
        return self.build()

    @property
    def theta0_sha256(self) -> str:
        """The hash of its initial values."""
        return self._first[1]

    @cached_property
    def parameters(self) -> int:
        """The number of its parameters."""
        return sum(parameter.numel() for parameter in self.built.parameters())

    @cached_property
    def large(self) -> bool:
        """Whether its training takes seconds."""
        many = self.parameters > MANY_PARAMETERS
        return many or multiply_adds(self.build(), self.data.shape) > MANY_OPERATIONS

    def build(self) -> nn.Module:
        """Another network with its initial values.

        It is built each time: a copy's functions may refer to the network that was copied. Only the weights
        that the project draws are drawn once.
        """
        _, _, drawn = self._first
        data, config = self.data, self.config
        model = build_model(config.model, data.shape, data.classes, SEED, self.dtype)
        with torch.no_grad():
            for name, weight in maskable(model).items():
                known = drawn.get((name, weight.shape))
                if known is None:  # its layers differ from call to call
                    known = initial_weight(name, weight.shape, SEED, config.initialization)
                weight.copy_(known)
        return model

    @cached_property
    def _first(self) -> tuple[nn.Module, str, dict[tuple[str, torch.Size], Tensor]]:
        """A network, the hash of its initial values, and those that the project draws, by name and shape."""
        data, config = self.data, self.config
        model, sha256 = initial_network(
            config.model, data.shape, data.classes, SEED, config.initialization, self.dtype
        )
        drawn = {(name, w.shape): w.detach().clone() for name, w in maskable(model).items()}
        return model, sha256, drawn

    def mask(self, density: Decimal) -> Mask:
        """A random mask; each layer keeps at least one weight.

        Args:
            density: The kept fraction of each layer, about, in (0, 1].

        Returns:
            The same mask at every call.
        """
        layers = {}
        for name, weight in maskable(self.built).items():
            draws = np.frombuffer(stream(SEED, "random score", name).bytes(weight.numel()), dtype=np.uint8)
            kept = torch.from_numpy(draws < round(256 * density))
            kept[int(draws.argmin())] = True
            layers[name] = kept.view(weight.shape)
        return Mask(layers)

    def train_once(self, images: Split) -> Tensor:
        """Run it forward and backward on two images, as in training.

        Args:
            images: What it is run on.

        Returns:
            Its logits in eval mode afterwards.

        Raises:
            Exception: What its own code raises.
        """
        model, (few, labels) = self.tried.train(), (part[:2] for part in self.batch(images))
        with autocast(few, self.config.training.precision):
            loss = cross_entropy(model(few.clone()), labels)  # it may change its images
        torch.autograd.backward(loss)
        with torch.no_grad():
            logits: Tensor = model.eval()(few.clone())
        return logits

    def _accepts(self, images: Split) -> bool:
        try:
            with torch.random.fork_rng():
                logits = self.train_once(images)
            return tuple(logits.shape) == (2, self.data.classes) and bool(logits.isfinite().all())
        except (MemoryError, torch.OutOfMemoryError):
            raise
        except Exception:  # whatever its code raises for images of another size
            return False

    def _every(self, step: int) -> Split:
        """A few images, with every k-th of their pixels."""
        few = _few(self.data, TRAIN_IMAGES_OF_LARGE if self.large else TRAIN_IMAGES)
        train, test = (
            images[..., ::step, ::step].contiguous() for images in (few.train_images, few.test_images)
        )
        return split(replace(few, train_images=train, test_images=test), SEED, VALIDATION)


def _few(data: ImageData, count: int) -> ImageData:
    """A few images of a data set, of different classes if possible."""
    order = torch.argsort(data.train_labels[: 100 * count], stable=True)
    places = order[torch.linspace(0, len(order) - 1, min(count, len(order))).long()]
    return replace(
        data,
        train_images=data.train_images[places],
        train_labels=data.train_labels[places],
        test_images=data.train_images[places[:TEST_IMAGES]],  # a search reads no test image
        test_labels=data.train_labels[places[:TEST_IMAGES]],
    )
