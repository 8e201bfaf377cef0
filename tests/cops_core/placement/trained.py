"""Trials and trainers that lie on a device in one way or another, and whether two are alike."""

from collections import OrderedDict

import torch
from torch import nn

from cops_core.arms import SCALES
from cops_core.config import Selection, Training, TrialConfig
from cops_core.construction import construct
from cops_core.data import Split
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.masked.view import plain_parameters
from cops_core.placement import Placement
from cops_core.prunable import maskable
from cops_core.train import DTYPES, EpochMetrics, Trainer

CPU = torch.device("cpu")
AS_THEY_ARE = Placement(CPU)
SEED, METHOD = 3, "xavier_normal"


def convolutional(shape: tuple[int, int, int], classes: int) -> nn.Module:
    """What can go wrong in another order: batch norm, pooling, a 1x1 convolution, flattened images."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(shape[0], 6, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(6),
            relu=nn.ReLU(),
            pool=nn.MaxPool2d(2),
            conv2=nn.Conv2d(6, 5, 1),
            tanh=nn.Tanh(),
            conv3=nn.Conv2d(5, 4, 3),
            flatten=nn.Flatten(),
            fc=nn.Linear(4 * (shape[1] // 2 - 2) * (shape[2] // 2 - 2), classes),
        )
    )


def built_in_channels_last(shape: tuple[int, int, int], classes: int) -> nn.Module:
    return convolutional(shape, classes).to(memory_format=torch.channels_last)


def trainer(parts: Split, arm: str, placement: Placement, precision: str = "float64", **fields) -> Trainer:
    model = construct(lambda: convolutional((3, 8, 8), 3), (3, 8, 8), SEED)
    initialize(model, SEED, METHOD)
    draws = torch.Generator().manual_seed(0)
    mask = Mask({name: torch.rand(w.shape, generator=draws) < 0.3 for name, w in maskable(model).items()})
    model.to(placement.device, DTYPES[precision])
    network = FreezeNet(model, None if arm == "dense" else mask, SCALES[arm])
    training = Training(epochs=3, batch_size=10, precision=precision, **fields)
    return Trainer(network, parts.to(placement.device), training, 0, placement)


def assert_alike(one: Trainer, other: Trainer, tolerance: float) -> None:
    """Trained values, running statistics, and every weight of the model."""
    tensors = [{**t.network.state()["buffers"], **plain_parameters(t.network.model)} for t in (one, other)]
    for name, tensor in tensors[0].items():
        expected = tensors[1][name].to(tensor.device)
        torch.testing.assert_close(tensor, expected, rtol=tolerance, atol=tolerance, msg=name)


def losses(rows: list[EpochMetrics]) -> list[float]:
    return [loss for row in rows for loss in (row.train_loss, row.validation_loss)]


def config(model: str = "convolutional", precision: str = "float64", **fields) -> TrialConfig:
    selection = Selection(target="snip", samples_per_class=2)
    frozen = {"arm": "freeze", "selection": selection, "density": "0.2"}
    training = Training(epochs=2, precision=precision)
    return TrialConfig(**{"model": model, "training": training} | frozen | fields)
