"""Tiny networks, each with one difficulty, and a batch for them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

SHAPE, CLASSES, SAMPLES = (2, 6, 6), 3, 8
Build = Callable[..., nn.Module]


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 4), nn.Tanh(), nn.Linear(4, 3)
    )


def rectified() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 3)
    )


def batch_norm() -> nn.Module:
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(48, 4),
        nn.BatchNorm1d(4, momentum=None),
        nn.Tanh(),
        nn.Linear(4, 3),
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model


class Tied(nn.Module):
    """One weight used by two layers, each with a bias of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(72, 5)
        self.second = nn.Linear(5, 5)
        self.third = nn.Linear(5, 5)
        self.third.weight = self.second.weight
        self.head = nn.Linear(5, 3)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.tanh(self.first(images.flatten(1)))
        return self.head(torch.tanh(self.third(torch.tanh(self.second(hidden)))))


def frozen() -> nn.Module:
    model = plain()
    model[0].weight.requires_grad_(False)
    model[5].bias.requires_grad_(False)
    return model


def dropout() -> nn.Module:
    return nn.Sequential(
        nn.Dropout2d(0.5), nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 3)
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "plain": plain,
    "rectified": rectified,
    "batch_norm": batch_norm,
    "tied": Tied,
    "frozen": frozen,
    "dropout": dropout,
}


@pytest.fixture
def build() -> Build:
    """`build(name, dtype)`: a fresh network, the same at every call, biases not zero."""

    def make(name: str, dtype: torch.dtype = torch.float32) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return NETWORKS[name]().to(dtype)

    return make


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    """The name of each network in turn."""
    return str(request.param)


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    """Images of shape (8, 2, 6, 6), float64, and their labels."""
    generator = torch.Generator().manual_seed(5)
    images = torch.randn((SAMPLES, *SHAPE), generator=generator, dtype=torch.float64)
    return images, torch.arange(SAMPLES) % CLASSES
