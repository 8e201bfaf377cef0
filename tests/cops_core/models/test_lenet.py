import pytest
import torch
from torch import nn

from cops_core.initialization import initialize
from cops_core.models import build_model
from cops_core.prunable import maskable


def counts(name: str, shape: tuple[int, int, int], classes: int) -> dict[str, int]:
    network = build_model(name, shape, classes)
    return {path: parameter.numel() for path, parameter in network.named_parameters()}


def test_lenet_300_100_as_published():
    layers = counts("lenet_300_100", (1, 28, 28), 10)
    assert layers == {
        "fc1.weight": 784 * 300,
        "fc1.bias": 300,
        "fc2.weight": 300 * 100,
        "fc2.bias": 100,
        "fc3.weight": 100 * 10,
        "fc3.bias": 10,
    }
    assert sum(layers.values()) == 266_610


def test_lenet_5_caffe_as_published():
    layers = counts("lenet_5_caffe", (1, 28, 28), 10)
    assert layers == {
        "conv1.weight": 20 * 25,
        "conv1.bias": 20,
        "conv2.weight": 50 * 20 * 25,
        "conv2.bias": 50,
        "fc1.weight": 50 * 4 * 4 * 500,
        "fc1.bias": 500,
        "fc2.weight": 500 * 10,
        "fc2.bias": 10,
    }
    assert sum(layers.values()) == 431_080
    assert sum(w.numel() for w in maskable(build_model("lenet_5_caffe", (1, 28, 28), 10)).values()) == 430_500


@pytest.mark.parametrize(
    ("name", "shape", "classes", "total"),
    [
        ("lenet_300_100", (3, 32, 32), 100, 3 * 1024 * 300 + 300 + 30_100 + 101 * 100),
        ("lenet_300_100", (1, 8, 8), 10, 64 * 300 + 300 + 30_100 + 1_010),
        ("lenet_300_100", (1, 1, 1), 2, 300 + 300 + 30_100 + 202),
        ("lenet_5_caffe", (3, 32, 32), 7, 76 * 20 + 501 * 50 + 1_251 * 500 + 501 * 7),
        ("lenet_5_caffe", (1, 16, 16), 2, 26 * 20 + 501 * 50 + 51 * 500 + 501 * 2),
        ("lenet_5_caffe", (1, 16, 29), 2, 26 * 20 + 501 * 50 + 201 * 500 + 501 * 2),
    ],
)
def test_other_shapes_and_classes(name, shape, classes, total):
    assert sum(counts(name, shape, classes).values()) == total
    assert build_model(name, shape, classes)(torch.zeros(1, *shape)).shape == (1, classes)


@pytest.mark.parametrize("shape", [(1, 15, 16), (1, 16, 15), (1, 8, 8), (3, 1, 100)])
def test_lenet_5_caffe_needs_16_pixels_a_side(shape, refused):
    height, width = shape[1:]
    with refused(f"at least 16 x 16, not {height} x {width}: use lenet_300_100"):
        build_model("lenet_5_caffe", shape, 10)


def test_pooling_before_the_rectifier_is_the_published_network():
    """The published order is rectifier, then pooling: the same function, at four times the work."""
    network = build_model("lenet_5_caffe", (1, 28, 28), 10)
    initialize(network, 0)
    layers = dict(network.named_children())
    order = ["conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flatten", "fc1", "relu3", "fc2"]
    published = nn.Sequential(*(layers[name] for name in order))
    images = torch.randn((4, 1, 28, 28), generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(images), published(images))
