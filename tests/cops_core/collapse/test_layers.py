"""No layer without weights hides a path: pools, activations, normalisation, any depth."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cops_core.collapse import connectivity
from cops_core.prunable import maskable

from .gradients import live_by_gradients
from .networks import Perceptron, full

POOLS = {
    "module": nn.MaxPool2d(2),
    "function": lambda x: functional.max_pool2d(x, 2),
    "torch": lambda x: torch.max_pool2d(x, 2),
    "by keyword": lambda x: functional.max_pool2d(input=x, kernel_size=2),
    "adaptive": nn.AdaptiveMaxPool2d(1),
    "amax": lambda x: x.amax((2, 3)),
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_a_weight_behind_a_position_that_is_not_the_maximum_is_live(pool):
    """Padding makes conv2's corner weight see something at one position of the window only, behind which
    the flow is smaller than elsewhere: 1 path instead of 4."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 1, 1, bias=False)
            self.conv2 = nn.Conv2d(1, 1, 3, padding=1, bias=False)
            self.pool = pool

        def forward(self, x):
            return self.pool(self.conv2(self.conv1(x))).flatten(1)

    mask = {"conv1.weight": torch.ones(1, 1, 1, 1).bool(), "conv2.weight": torch.zeros(1, 1, 3, 3).bool()}
    mask["conv2.weight"][0, 0, 0, 0] = True  # up and to the left: reaches the last of four positions only
    mask["conv2.weight"][0, 0, 1, 1:] = True  # here and to the right: 2 paths to the positions on the left
    found = connectivity(Net(), (1, 2, 2), mask)
    assert found.live_weights == {"conv1.weight": 1, "conv2.weight": 3}


ACTIVATIONS = [
    nn.CELU, nn.ELU, nn.GELU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU,
    nn.LogSigmoid, nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.SiLU, nn.Sigmoid,
    nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink, nn.Dropout, nn.AlphaDropout,
    nn.Identity, lambda: nn.Threshold(20.0, 1.0),
]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_paths_do_not_depend_on_the_activation(activation):
    draws = np.random.default_rng(3)
    mask = {name: torch.from_numpy(draws.random(p.shape) < 0.4) for name, p in maskable(Perceptron()).items()}
    expected = connectivity(Perceptron(), Perceptron.shape, mask)
    assert 0 < expected.live < expected.kept
    assert connectivity(Perceptron(activation), Perceptron.shape, mask) == expected


MIXING = {
    "group": lambda: nn.GroupNorm(2, 4),
    "layer": lambda: nn.LayerNorm([4, 5, 5]),
    "instance": lambda: nn.InstanceNorm2d(4),
    "root mean square": lambda: nn.RMSNorm([4, 5, 5]),
    "local response": lambda: nn.LocalResponseNorm(2),
    "batch without statistics": lambda: nn.BatchNorm2d(4, track_running_stats=False),
    "softmax": lambda: nn.Softmax(1),
    "log softmax": lambda: nn.LogSoftmax(1),
}


def between(layer):
    return nn.Sequential(nn.Conv2d(1, 4, 3), layer, nn.Conv2d(4, 2, 5), nn.Flatten())


def sparse_mask(density):
    draws = np.random.default_rng(4)
    shapes = {name: p.shape for name, p in maskable(between(nn.Identity())).items()}
    return {name: torch.from_numpy(draws.random(shape) < density) for name, shape in shapes.items()}


def test_batch_norm_hides_no_paths_whatever_its_parameters():
    layer = nn.BatchNorm2d(4)
    with torch.no_grad():
        for tensor in (*layer.parameters(), *layer.buffers()):
            tensor.fill_(-3)
    expected = connectivity(between(nn.Identity()), (1, 7, 7), sparse_mask(0.1))
    assert 0 < expected.live < expected.kept
    assert connectivity(between(layer), (1, 7, 7), sparse_mask(0.1)) == expected


@pytest.mark.parametrize("density", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("layer", MIXING.values(), ids=MIXING)
def test_what_shares_a_mean_or_a_sum_is_connected_as_the_gradients_say(layer, density):
    mask = sparse_mask(density)
    found = connectivity(between(layer()), (1, 7, 7), mask)
    assert found.live_weights == live_by_gradients(between(layer()), (1, 7, 7), mask)


def test_the_values_of_weights_do_not_matter():
    model = Perceptron()
    mask = full(model)
    with torch.no_grad():
        for value, parameter in zip(
            [0.0, -1.0, math.nan, math.inf, -7.0, 0.0], model.parameters(), strict=True
        ):
            parameter.fill_(value)
    assert connectivity(model, Perceptron.shape, mask).effective_density == 1


@pytest.mark.parametrize("average", [False, True], ids=["plain", "averaging"])
@pytest.mark.parametrize("activation", [nn.Identity, nn.Tanh])
@pytest.mark.parametrize("depth", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_depth_and_width_neither_overflow_nor_underflow(depth, activation, average):
    """Unscaled, the flow would grow 512^40-fold or 8^400-fold, and 1e-3^400 is 0 in float64."""
    width = 512 if depth == 40 else 8

    class Average(nn.Module):
        def forward(self, x):
            return x.mean(1, keepdim=True).expand_as(x) * 1e-3

    scale = Average() if average else nn.Identity()
    layers = [nn.Sequential(nn.Linear(width, width, bias=False), activation(), scale) for _ in range(depth)]
    model = nn.Sequential(nn.Flatten(), *layers)
    found = connectivity(model, (1, 1, width), full(model))
    assert found.live == found.size == depth * width**2
    thread = {name: torch.zeros(p.shape).bool() for name, p in maskable(model).items()}
    for layer in thread.values():
        layer[3, 5] = layer[5, 3] = True
    found = connectivity(model, (1, 1, width), thread)
    assert found.live == 2 * depth
    assert not found.collapsed
