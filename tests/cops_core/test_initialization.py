from collections import OrderedDict

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from cops_core.construction import construct
from cops_core.initialization import INITIALIZATIONS, initial_weight, initialize, weights_hash
from cops_core.models import build_model
from cops_core.prunable import maskable

# theta0 of past results: a change here orphans every one of them.
THETA0 = {
    ("lenet_300_100", "xavier_normal", 0): "ad1184ce55825a3aa720c3d2e1a52da9d24faf2ab14b2d1ece8cfc5a7946f4a2",
    (
        "lenet_300_100",
        "xavier_normal",
        4294967295,
    ): "07606273ca10d46669e81f1b74af76b3641df41f5bb8e5de55b404fe9e53191e",
    (
        "lenet_300_100",
        "kaiming_normal",
        0,
    ): "bb4eaf01a5ea65db78b787aa4463979d0af4ccd0dbb8768efc6e3a0f9c455833",
    (
        "lenet_300_100",
        "kaiming_normal",
        4294967295,
    ): "53de8dd050d36a0e4e1bd90d4d306bbc391295c4828a29aef6ba15f1d58c48fc",
    ("lenet_5_caffe", "xavier_normal", 0): "a3421b55ba41baaee114b272c50620fc59dd2b8e0316fa6d91abecf16f4d3b8d",
    (
        "lenet_5_caffe",
        "xavier_normal",
        4294967295,
    ): "7046d970a3581e912f9fe2a42d53131246f9807e0020d59c55ca113689034e59",
    (
        "lenet_5_caffe",
        "kaiming_normal",
        0,
    ): "f0e19032d3fc2c93932c76a529568c4772336f2ff96155905092ee5a624ae1f1",
    (
        "lenet_5_caffe",
        "kaiming_normal",
        4294967295,
    ): "ee64c2d85c703bdd0ce624908a901aa3e874c51e3063d238b89ac906bb225aa6",
}


@pytest.mark.parametrize(("model", "method", "seed"), THETA0)
def test_theta0_never_changes(model, method, seed):
    network = build_model(model, (1, 28, 28), 10)
    assert initialize(network, seed, method) == THETA0[model, method, seed]
    assert weights_hash(maskable(network)) == THETA0[model, method, seed]


def theta0(seed: int = 0) -> dict[str, torch.Tensor]:
    network = build_model("lenet_5_caffe", (1, 16, 16), 10)
    initialize(network, seed)
    return {name: weight.detach().clone() for name, weight in maskable(network).items()}


def same(ours: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return ours.keys() == others.keys() and all(torch.equal(ours[name], others[name]) for name in ours)


def test_theta0_comes_from_the_seed_alone():
    first = theta0()
    torch.manual_seed(99)
    np.random.seed(99)
    torch.rand(7)
    assert same(first, theta0())
    assert not any(torch.equal(weight, first[name]) for name, weight in theta0(1).items())


def test_theta0_whatever_the_number_of_threads():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = theta0()
        torch.set_num_threads(2)
        assert same(one, theta0())
    finally:
        torch.set_num_threads(threads)


def test_theta0_whatever_the_order_of_the_layers():
    layers = [("first", nn.Linear(5, 4)), ("second", nn.Conv2d(2, 3, 3)), ("third", nn.Linear(5, 4))]
    forward, backward = (nn.Sequential(OrderedDict(order)) for order in (layers, layers[::-1]))
    initialize(forward, 3)
    expected = {name: weight.detach().clone() for name, weight in maskable(forward).items()}
    initialize(backward, 3)
    assert list(maskable(backward)) == ["third.weight", "second.weight", "first.weight"]
    assert all(torch.equal(weight, expected[name]) for name, weight in maskable(backward).items())
    assert not torch.equal(expected["first.weight"], expected["third.weight"])


def test_initialising_leaves_the_global_random_state_alone():
    network = nn.Linear(3, 3)
    state, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    initialize(network, 0)
    assert torch.equal(state, torch.get_rng_state())
    assert (numpys == np.random.get_state()[1]).all()


# The fans counted by hand: a unit sees fan_in inputs, an input reaches fan_out units.
LAYERS = {
    "linear": ((300, 784), 784, 300),
    "convolution": ((60, 40, 5, 5), 40 * 25, 60 * 25),
    "grouped convolution": ((80, 20, 5, 5), 20 * 25, 80 * 25),
    "convolution in one dimension": ((200, 100, 3), 300, 600),
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("method", "variance"),
    [
        ("xavier_normal", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
        ("kaiming_normal", lambda fan_in, fan_out: 2 / fan_in),
    ],
)
def test_weights_are_normal_with_the_papers_deviation(layer, method, variance):
    shape, fan_in, fan_out = LAYERS[layer]
    weight = initial_weight(layer, torch.Size(shape), 5, method).double().flatten()
    deviation = variance(fan_in, fan_out) ** 0.5
    assert abs(weight.mean()) < 4 * deviation / len(weight) ** 0.5
    assert abs(weight.std() / deviation - 1) < 4 / (2 * len(weight)) ** 0.5
    assert stats.kstest(weight.numpy(), "norm", args=(0, deviation)).pvalue > 1e-3


def test_every_method_is_tested():
    assert set(INITIALIZATIONS) == {method for _, method, _ in THETA0}


def test_biases_are_zero_and_normalisation_layers_start_as_the_identity():
    def build():
        return nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2), nn.LayerNorm(2)
        )

    network = construct(build, (1, 4, 4), 0)
    initialize(network, 0)
    values = dict(network.named_parameters())
    for name in ("0.bias", "1.bias", "3.bias", "4.bias"):
        assert not values[name].any()
    for name in ("1.weight", "4.weight"):
        assert (values[name] == 1).all()
    assert list(maskable(network)) == ["0.weight", "3.weight"]


def test_hash_sees_every_value_name_and_shape():
    weight = torch.arange(6.0)
    hashes = {
        weights_hash({"a": weight.reshape(2, 3)}),
        weights_hash({"a": weight.reshape(3, 2)}),
        weights_hash({"b": weight.reshape(2, 3)}),
        weights_hash({"a": weight.reshape(2, 3) * -1}),
    }
    assert len(hashes) == 4
    assert weights_hash({"a": weight.double()}) == weights_hash({"a": weight})


def test_unknown_method(refused):
    with refused("unknown initialization 'xavier': did you mean 'xavier_normal'"):
        initialize(nn.Linear(2, 2), 0, "xavier")
