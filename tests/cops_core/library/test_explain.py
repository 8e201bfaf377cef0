"""What a mask leaves, as a text."""

import pytest
import torch
from torch import nn

import cops_core as cops
from cops_core.contracts.probes import unchanged_model
from cops_core.errors import InputError
from cops_core.mask import Mask


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Embedding(7, 3), nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 2)
    )


def mask_of(first: list[tuple[int, int]], last: list[tuple[int, int]]) -> Mask:
    layers = {
        "1.weight": torch.zeros(4, 3, dtype=torch.bool),
        "4.weight": torch.zeros(2, 4, dtype=torch.bool),
    }
    for name, places in zip(layers, (first, last), strict=True):
        for place in places:
            layers[name][place] = True
    return Mask(layers)


def test_the_table():
    lines = mask_of([(0, 0), (1, 1)], []).summary().splitlines()
    assert [line.split() for line in lines] == [
        ["weight", "shape", "weights", "kept", "density"],
        ["1.weight", "4", "x", "3", "12", "2", "0.1667"],
        ["4.weight", "2", "x", "4", "8", "0", "0", "empty"],
        ["all", "20", "2", "0.1"],
    ]
    assert len({line.index("kept") + 4 for line in lines[:1]}) == 1


def test_the_table_of_no_layer():
    assert Mask({}).summary().splitlines()[-1].split() == ["all", "0", "0", "0"]


def test_live_paths_of_a_plain_network():
    """Of three kept weights one leads to a unit that no kept weight reads."""
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    layers = mask_of([(0, 0), (1, 1)], [(0, 0)])
    mask = Mask({"0.weight": layers["1.weight"], "2.weight": layers["4.weight"]})
    with unchanged_model(model):
        text = cops.explain(model, mask, torch.zeros(5, 3))
    assert "live paths: 2 of 3 kept weights lie on one" in text
    assert "outputs: a path leads to 1 of 2" in text
    assert "collapsed" not in text


def test_collapse():
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    layers = mask_of([(0, 0)], [(1, 1)])
    mask = Mask({"0.weight": layers["1.weight"], "2.weight": layers["4.weight"]})
    text = cops.explain(model, mask, torch.zeros(5, 3))
    assert "collapsed: no path leads from the input to an output" in text
    assert "dead layers, with kept weights but no path: 0.weight, 2.weight" in text


def test_what_is_not_in_the_mask_has_a_reason():
    text = cops.explain(network(), Mask({"1.weight": torch.ones(4, 3) > 0}))
    assert "live paths: not computed, which needs an input: write example=" in text
    assert "not in the mask (an embedding: name it in include" in text
    assert "not in the mask (frozen, requires_grad is False): 3.weight" in text
    assert "not in the mask, trained completely: 4.weight" in text


def test_inputs_that_cannot_be_followed():
    text = cops.explain(network(), mask_of([(0, 0)], []), torch.zeros(2, dtype=torch.long))
    assert "not computed, since the input is not one tensor of numbers" in text
    text = cops.explain(network(), mask_of([(0, 0)], []), torch.zeros(2, 3))
    assert "not computed, since " in text


def test_attention_and_volumes():
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    example = torch.randn(2, 3, 4)
    mask = cops.select(layer, example, loss=lambda model, batch: model(batch).square().mean(), density=0.5)
    assert "live paths: " in cops.explain(layer, mask, example)
    volume = nn.Sequential(nn.Conv3d(1, 2, 2), nn.Flatten(), nn.Linear(2, 2))
    mask = cops.select(volume, target="magnitude", density=1)
    assert "live paths: 20 of 20" in cops.explain(volume, mask, torch.zeros(1, 1, 2, 2, 2))


def test_a_mask_of_another_network():
    with pytest.raises(InputError, match=r"the mask has \(4, 3\) at '1\.weight' where the model has nothing"):
        cops.explain(nn.Sequential(nn.Linear(3, 4)), mask_of([], []))
