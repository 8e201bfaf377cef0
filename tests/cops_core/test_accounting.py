"""Counts that were worked out by hand, for the two LeNets, a grouped and a residual network."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from cops_core.accounting import account
from cops_core.arms import Scale
from cops_core.collapse import connectivity
from cops_core.freeze_net import FROZEN, PRUNED, FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.mask_code import entropy_bytes
from cops_core.models import build_model
from cops_core.prunable import maskable

SHAPE = (1, 28, 28)


def first_of(model: nn.Module, kept: dict[str, int]) -> Mask:
    """The mask that keeps the first so many weights of each layer."""
    return Mask(
        {
            name: (torch.arange(weight.numel()) < kept[name]).view(weight.shape)
            for name, weight in maskable(model).items()
        }
    )


def lenet(name: str, kept: dict[str, int] | None, scale: Scale = FROZEN) -> FreezeNet:
    model = build_model(name, SHAPE, 10)
    initialize(model, 0)
    return FreezeNet(model, None if kept is None else first_of(model, kept), scale)


KEPT_300 = {"fc1.weight": 2000, "fc2.weight": 500, "fc3.weight": 162}
KEPT_5 = {"conv1.weight": 100, "conv2.weight": 500, "fc1.weight": 1500, "fc2.weight": 53}


def test_the_dense_network_is_what_others_are_held_against():
    costs = account(lenet("lenet_300_100", None), SHAPE, artifact_bytes=1_067_000)
    assert costs["parameters"] == costs["trained_parameters"] == costs["stored_parameters"] == 266_610
    assert costs["factor"] == 1
    assert costs["dense_bytes"] == 1_066_440
    assert costs["bytes_factor"] == 1_066_440 / 1_067_000
    assert costs["mask_bytes"] == costs["mask_entropy_bytes"] == 0
    # 784 x 300 + 300 x 100 + 100 x 10; twice that, and the gradients of two inputs.
    assert costs["inference_multiply_adds"] == costs["dense_inference_multiply_adds"] == 266_200
    assert costs["training_multiply_adds"] == costs["dense_training_multiply_adds"] == 563_400
    assert "effective_density" not in costs


@pytest.mark.parametrize(
    ("name", "kept", "scale", "inference", "training"),
    [
        # 2662; 2662 forward, 2662 for the weights, 662 for the inputs of fc2 and fc3.
        ("lenet_300_100", KEPT_300, PRUNED, 2662, 5986),
        # All 266200; forward, 2662 for the weights, 31000 for the inputs.
        ("lenet_300_100", KEPT_300, FROZEN, 266_200, 299_862),
        ("lenet_300_100", KEPT_300, Scale(0.5), 266_200, 299_862),
        # 100 x 576 + 500 x 64 + 1500 + 53 = 91153; the same twice and 33553 for the inputs.
        ("lenet_5_caffe", KEPT_5, PRUNED, 91_153, 215_859),
        # 500 x 576 + 25000 x 64 + 400000 + 5000 = 2293000; and 91153, and 2005000 for the inputs.
        ("lenet_5_caffe", KEPT_5, FROZEN, 2_293_000, 4_389_153),
    ],
)
def test_multiply_adds_by_hand(name, kept, scale, inference, training):
    costs = account(lenet(name, kept, scale), SHAPE, artifact_bytes=1000)
    assert costs["inference_multiply_adds"] == inference
    assert costs["training_multiply_adds"] == training
    dense = {"lenet_300_100": (266_200, 563_400), "lenet_5_caffe": (2_293_000, 6_591_000)}[name]
    assert (costs["dense_inference_multiply_adds"], costs["dense_training_multiply_adds"]) == dense
    assert list(costs["layers"]) == list(kept)
    for part, total in (("inference", inference), ("training", training)):
        assert sum(layer[part] for layer in costs["layers"].values()) == total


def test_each_layer_by_hand():
    layers = account(lenet("lenet_5_caffe", KEPT_5), SHAPE, artifact_bytes=1000)["layers"]
    assert layers == {
        "conv1.weight": {"inference": 288_000, "training": 288_000 + 57_600},
        "conv2.weight": {"inference": 1_600_000, "training": 3_200_000 + 32_000},
        "fc1.weight": {"inference": 400_000, "training": 800_000 + 1500},
        "fc2.weight": {"inference": 5000, "training": 10_000 + 53},
    }


def test_parameters_and_bytes_by_hand():
    network = lenet("lenet_5_caffe", KEPT_5)
    model = build_model("lenet_5_caffe", SHAPE, 10)
    connected = connectivity(model, SHAPE, first_of(model, KEPT_5)).facts()
    costs = account(network, SHAPE, 14_000, connected)
    assert costs["trained_parameters"] == costs["stored_parameters"] == 2153 + 580
    assert costs["parameters"] == 431_080
    assert costs["factor"] == 431_080 / 2733
    assert costs["dense_bytes"] == 1_724_320
    assert costs["bytes_factor"] == 1_724_320 / 14_000
    assert costs["mask_entropy_bytes"] == entropy_bytes(430_500, 2153)
    assert 0 < costs["mask_bytes"] < costs["mask_entropy_bytes"]  # the first weights are easily named
    assert costs["effective_density"] == connected["effective_density"]


class Residual(nn.Module):
    """Batch norm before the first layer, groups, stride, a layer used twice, a shortcut, tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(2)
        self.conv = nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2)
        self.twice = nn.Conv2d(4, 4, 1)
        self.shortcut = nn.Conv2d(2, 4, 1, stride=2)
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)
        self.tokens = nn.Linear(8, 5)
        self.fc = nn.Linear(3 * 8 * 5, 3)

    def forward(self, images):
        inner = self.conv(self.norm(images))
        joined = self.twice(self.twice(inner)) + self.shortcut(images)
        return self.fc(self.tokens(self.up(joined)).flatten(1))


def test_other_layers_by_hand():
    model = Residual()
    model.train()
    network = FreezeNet(model, None)
    layers = account(network, (2, 8, 8), artifact_bytes=1)["layers"]
    conv, twice, shortcut = 36 * 16, 16 * 16 * 2, 8 * 16
    up, tokens, fc = 48 * 16, 40 * 24, 360
    assert layers == {
        "conv.weight": {"inference": conv, "training": 3 * conv},  # what lies before it is trained
        "twice.weight": {"inference": twice, "training": 3 * twice},
        "shortcut.weight": {"inference": shortcut, "training": 2 * shortcut},
        "up.weight": {"inference": up, "training": 3 * up},
        "tokens.weight": {"inference": tokens, "training": 3 * tokens},
        "fc.weight": {"inference": fc, "training": 3 * fc},
    }
    assert all(module.training for module in model.modules())
    assert int(model.norm.num_batches_tracked) == 0
    assert not any(module._forward_hooks for module in model.modules())


def test_parameters_without_a_mask_are_trained_whole():
    model = nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(4, 3), fc2=nn.Linear(3, 2)))
    initialize(model, 0)
    keep = torch.zeros((3, 4), dtype=torch.bool)
    keep[0, 0] = True
    costs = account(FreezeNet(model, Mask({"fc1.weight": keep}), PRUNED), (1, 2, 2), artifact_bytes=100)
    assert costs["trained_parameters"] == 1 + 3 + 6 + 2
    assert costs["layers"] == {
        "fc1.weight": {"inference": 1, "training": 2},
        "fc2.weight": {"inference": 6, "training": 18},
    }
