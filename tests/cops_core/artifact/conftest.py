"""Networks that were trained for a few steps, with the header of their artefact."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD

from cops_core.arms import SCALES, Scale
from cops_core.artifact import ArtifactHeader
from cops_core.construction import construct
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.models import MODELS
from cops_core.models.base import Shape
from cops_core.prunable import PRUNABLE

SEED = 4_294_967_295
SHAPES: dict[str, Shape] = {
    "lenet_300_100": (1, 28, 28),
    "lenet_5_caffe": (1, 28, 28),
    "normalised": (2, 8, 8),
}

Make = Callable[..., tuple[FreezeNet, ArtifactHeader]]


def normalised(shape: Shape, classes: int) -> nn.Module:
    """Batch norm, groups, and a layer without a bias."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(shape[0], 6, 3, bias=False),
            norm=nn.BatchNorm2d(6),
            relu=nn.ReLU(),
            conv2=nn.Conv2d(6, 4, 3, stride=2, padding=1, groups=2),
            flatten=nn.Flatten(),
            fc=nn.Linear(36, classes),
        )
    )


@pytest.fixture(autouse=True)
def plugin(monkeypatch) -> None:
    """The network `normalised`, as a plugin would bring it."""
    monkeypatch.setitem(MODELS, "normalised", normalised)


@pytest.fixture(scope="session")
def make() -> Make:
    """`make("lenet_300_100", arm="freeze")`: a trained network and its header; see the keywords below."""

    def made(
        model: str = "normalised",
        *,
        arm: str = "freeze",
        dtype: torch.dtype = torch.float32,
        prunable: str = "weights",
        density: float = 0.05,
        mask: Mask | None = None,
        steps: int = 2,
        extensions: dict[str, str] | None = None,
    ) -> tuple[FreezeNet, ArtifactHeader]:
        shape = SHAPES[model]
        build = normalised if model == "normalised" else MODELS[model]
        built = construct(lambda: build(shape, 10), shape, SEED)
        theta0 = initialize(built, SEED)
        built.to(dtype)
        generator = torch.Generator().manual_seed(0)
        if mask is None and arm != "dense":
            mask = Mask(
                {
                    name: torch.rand(weight.shape, generator=generator) < density
                    for name, weight in PRUNABLE[prunable](built).items()
                }
            )
        network = FreezeNet(built, mask, Scale(0.3) if arm == "scale" else SCALES[arm])
        optimizer = SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=0.05)
        for _ in range(steps):
            images = torch.randn((8, *shape), generator=generator).to(dtype)
            loss = functional.cross_entropy(network(images), torch.arange(8))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        header = ArtifactHeader(
            model=model,
            shape=shape,
            classes=10,
            initialization="xavier_normal",
            seed=SEED,
            arm=arm,
            density=None if arm == "dense" else str(density or 1),
            mean=(72.94035339355469,) * shape[0],
            deviation=(90.02118682861328,) * shape[0],
            theta0_sha256=theta0,
            mask_sha256=None if mask is None else mask.sha256(),
            data_sha256="0123456789abcdef" * 4,
            extensions=extensions or {},
        )
        return network, header

    return made
