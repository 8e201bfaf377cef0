import pytest
import torch
from torch import nn

from cops_core.initialization import initialize
from cops_core.models import build_model
from cops_core.prunable import maskable

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3)}


def by_hand(name: str, channels: int, classes: int) -> tuple[int, int]:
    """Maskable weights and all parameters: a norm has two for each channel that leaves a convolution."""
    weights, norms, inputs = 9 * channels * 64, 2 * 64, 64
    for stage, (blocks, outputs) in enumerate(zip(BLOCKS[name], (64, 128, 256, 512), strict=True)):
        for block in range(blocks):
            weights += 9 * inputs * outputs + 9 * outputs * outputs
            norms += 2 * 2 * outputs
            if stage > 0 and block == 0:  # the shortcut's 1x1 convolution
                weights += inputs * outputs
                norms += 2 * outputs
            inputs = outputs
    weights += 512 * classes
    return weights, weights + norms + classes


@pytest.mark.parametrize(
    ("name", "shape", "classes", "total"),
    [
        ("resnet18", (3, 32, 32), 10, 11_173_962),
        ("resnet34", (3, 32, 32), 10, 21_282_122),
        ("resnet18", (3, 32, 32), 100, 11_220_132),
        ("resnet18", (1, 8, 8), 2, 11_168_706),
    ],
)
def test_counts(name, shape, classes, total):
    network = build_model(name, shape, classes)
    ours = sum(w.numel() for w in maskable(network).values()), sum(p.numel() for p in network.parameters())
    assert ours == by_hand(name, shape[0], classes)
    assert ours[1] == total


def test_the_stem_keeps_all_pixels_and_each_later_stage_halves_them():
    network = build_model("resnet18", (3, 32, 32), 10)
    sides = {}
    for name, module in network.named_children():
        module.register_forward_hook(lambda _, __, out, name=name: sides.update({name: out.shape[1:]}))
    network.eval()(torch.zeros(1, 3, 32, 32))
    assert sides["conv1"] == sides["maxpool"] == sides["layer1"] == (64, 32, 32)
    assert [sides[f"layer{stage}"] for stage in (2, 3, 4)] == [(128, 16, 16), (256, 8, 8), (512, 4, 4)]


def test_a_block_adds_what_it_was_given():
    """Published: with the residual branches at zero, the first stage is the identity."""
    network = build_model("resnet18", (3, 32, 32), 10)
    initialize(network, 0)
    stage = network.layer1
    with torch.no_grad():
        for block in stage:
            block.bn2.weight.zero_()
    images = torch.rand((2, 64, 5, 5), generator=torch.Generator().manual_seed(0))
    assert torch.equal(stage(images), images)


@pytest.mark.parametrize("side", [1, 3, 33])
def test_every_size_of_image_fits(side):
    network = build_model("resnet18", (1, side, side), 3)
    assert network(torch.zeros(2, 1, side, side)).shape == (2, 3)


def test_no_convolution_has_a_bias():
    network = build_model("resnet34", (3, 32, 32), 10)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 36
    assert all(convolution.bias is None for convolution in convolutions)
