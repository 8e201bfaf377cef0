import pytest
import torch
from torch import nn
from torch.nn import functional

from cops_core.initialization import initialize
from cops_core.models import build_model
from cops_core.prunable import maskable

# Configuration D of the paper: output channels of the 3x3 convolutions, a pool after each group.
GROUPS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def by_hand(channels: int, classes: int) -> tuple[int, int]:
    """Maskable weights and all parameters: each output has a bias and, but for the last, a norm's two."""
    weights, outputs = 0, 0
    for width in (width for group in GROUPS for width in group):
        weights += 9 * channels * width
        outputs += width
        channels = width
    weights += 2 * 512 * 512 + 512 * classes
    outputs += 2 * 512
    return weights, weights + 3 * outputs + classes


@pytest.mark.parametrize(
    ("shape", "classes", "total"),
    [((3, 32, 32), 10, 15_255_626), ((3, 32, 32), 100, 15_301_796), ((1, 28, 28), 10, 15_254_474)],
    ids=str,
)
def test_counts(shape, classes, total):
    network = build_model("vgg16", shape, classes)
    ours = sum(w.numel() for w in maskable(network).values()), sum(p.numel() for p in network.parameters())
    assert ours == by_hand(shape[0], classes)
    assert ours[1] == total


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_the_network_written_out(training):
    """Plain pools, and no averaging: neither changes anything at 32 x 32."""
    network = build_model("vgg16", (3, 32, 32), 10).train(training)
    initialize(network, 0)
    network.double()
    values = torch.randn((4, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits = network(values)

    def norm(values: torch.Tensor) -> torch.Tensor:
        axes = (0, *range(2, values.ndim))
        if not training:  # running statistics as they begin: mean 0, variance 1
            return values / (1 + 1e-5) ** 0.5
        mean, variance = values.mean(axes, keepdim=True), values.var(axes, keepdim=True, correction=0)
        return (values - mean) / (variance + 1e-5) ** 0.5

    weights = iter(maskable(network).values())
    for group in GROUPS:
        for _ in group:
            values = norm(functional.conv2d(values, next(weights), padding=1)).relu()
        values = functional.max_pool2d(values, 2)
    values = values.reshape(4, 512)
    for _ in range(2):
        values = norm(values @ next(weights).T).relu()
    torch.testing.assert_close(logits, values @ next(weights).T, rtol=1e-9, atol=1e-12)
    assert next(weights, None) is None


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 31), (1, 33, 70)], ids=str)
def test_every_size_of_image_fits(shape):
    network = build_model("vgg16", shape, 3)
    assert network(torch.zeros(2, *shape)).shape == (2, 3)


def test_dropout_has_given_way_to_batch_norm():
    modules = list(build_model("vgg16", (3, 32, 32), 10).modules())
    assert not any(isinstance(module, nn.Dropout) for module in modules)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in modules) == 13
    assert sum(isinstance(module, nn.BatchNorm1d) for module in modules) == 2
