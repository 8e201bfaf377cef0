"""ResNet-20, -32 and -56, WRN-16-8, VGG-19 and the MLP, against the papers' counts and by hand."""

import pytest
import torch

from cops_core.initialization import initialize
from cops_core.models import build_model
from cops_core.prunable import maskable

CIFAR = (3, 32, 32)


def total(network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# The papers' figures, in millions: He et al. 2016 table 6, Zagoruyko and Komodakis 2016 table 4 (11.0),
# Liu et al. 2017 table 1 (20.04).
PUBLISHED = {
    "resnet20": (269_722, 0.27, 2),
    "resnet32": (464_154, 0.46, 2),
    "resnet56": (853_018, 0.85, 2),
    "wrn_16_8": (10_961_370, 11.0, 1),
    "vgg19": (20_040_522, 20.04, 2),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_papers(name):
    exact, millions, digits = PUBLISHED[name]
    found = total(build_model(name, CIFAR, 10))
    assert found == exact
    assert round(found / 1e6, digits) == millions


@pytest.mark.parametrize(("name", "layers"), [("resnet20", 20), ("resnet32", 32), ("resnet56", 56)])
def test_layers_are_counted_as_in_the_paper(name, layers):
    """Weight layers: shortcuts have none (option A)."""
    assert len(maskable(build_model(name, CIFAR, 10))) == layers


def test_wide_resnet_has_fourteen_layers_and_three_projections():
    """The paper's 16 counts two projections; the stem, twelve convolutions and the head are the others."""
    assert len(maskable(build_model("wrn_16_8", CIFAR, 10))) == 14 + 3


def test_mlp_counts():
    assert total(build_model("mlp_512", (1, 28, 28), 10)) == 784 * 512 + 512 + 512 * 10 + 10 == 407_050


def test_a_halving_block_without_its_residual_takes_every_second_pixel_and_adds_zeros():
    network = build_model("resnet20", CIFAR, 10)
    initialize(network, 0)
    block = network.eval().layer2[0]
    with torch.no_grad():
        block.bn2.weight.zero_()
        images = torch.rand(2, 16, 7, 10)
        out = block(images)
    assert out.shape == (2, 32, 4, 5)
    assert torch.equal(out[:, 8:24], images[:, :, ::2, ::2])
    assert not out[:, :8].any()
    assert not out[:, 24:].any()


def test_a_wide_block_normalises_before_it_convolves():
    network = build_model("wrn_16_8", CIFAR, 10)
    initialize(network, 0)
    first, second = network.eval().layer1
    with torch.no_grad():
        images = torch.randn(1, 16, 8, 8)
        active = first.relu1(first.bn1(images))
        residual = first.conv2(first.relu2(first.bn2(first.conv1(active))))
        assert torch.equal(first(images), residual + first.shortcut(active))
    assert second.shortcut is None


def test_every_path_of_a_mask_is_followed():
    from cops_core.collapse import connectivity
    from cops_core.mask import Mask

    network = build_model("resnet20", CIFAR, 10)
    initialize(network, 0)
    whole = Mask(
        {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in maskable(network).items()}
    )
    found = connectivity(network, CIFAR, whole)
    assert found.live == found.kept
