"""What collapses and what stays alive, where it can be said by hand."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from cops_core.collapse import connectivity
from cops_core.mask import unflatten
from cops_core.models import build_model
from cops_core.prunable import maskable
from cops_core.scores import compute_scores
from cops_core.vision import torchvision_models

from .networks import Perceptron, Residual, Shared, full


@pytest.mark.parametrize("build", [Perceptron, Residual, Shared])
def test_the_full_mask_is_all_live(build):
    model = build()
    found = connectivity(model, build.shape, full(model))
    assert found.live == found.kept == found.size
    assert found.effective_density == 1
    assert not found.collapsed
    assert found.empty_layers == found.dead_layers == found.disconnected_shortcuts == ()


def test_an_empty_layer_collapses_a_chain():
    model = Perceptron()
    found = connectivity(model, Perceptron.shape, full(model, but=["3.weight"]))
    assert found.collapsed
    assert found.empty_layers == ("3.weight",)
    assert found.dead_layers == ("1.weight", "5.weight")
    assert (found.live, found.kept, found.size) == (0, 30 + 12, 30 + 20 + 12)


def test_kept_weights_that_do_not_meet_collapse_a_chain_without_an_empty_layer():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    mask = {"1.weight": torch.tensor([[1, 1], [0, 0]]).bool(), "3.weight": torch.tensor([[0, 1]]).bool()}
    found = connectivity(model, (1, 1, 2), mask)
    assert found.collapsed
    assert found.empty_layers == ()
    assert found.dead_layers == ("1.weight", "3.weight")


def test_a_live_weight_by_hand():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    mask = {"1.weight": torch.tensor([[1, 0], [0, 0]]).bool(), "3.weight": torch.tensor([[1, 1]]).bool()}
    found = connectivity(model, (1, 1, 2), mask)
    assert found.live_weights == {"1.weight": 1, "3.weight": 1}  # the second unit hears nothing
    assert (found.kept, found.live, found.effective_density) == (3, 2, 2 / 6)


def test_an_empty_branch_does_not_collapse_a_residual_network():
    model = Residual()
    found = connectivity(model, Residual.shape, full(model, but=["same.conv1.weight", "down.conv2.weight"]))
    assert not found.collapsed
    assert found.dead_layers == ("same.conv2.weight", "down.conv1.weight")
    assert found.disconnected_shortcuts == ()


def test_a_branch_alone_may_be_masked_away_without_collapse():
    shape = {name: p.shape for name, p in maskable(Residual()).items()}["same.conv1.weight"]
    found = connectivity(Residual(), Residual.shape, {"same.conv1.weight": torch.zeros(shape).bool()})
    assert found.live == 0
    assert not found.collapsed


@pytest.mark.parametrize(
    ("empty", "collapsed"),
    [(["down.downsample.0.weight"], False), (["stem.weight"], True), (["head.weight"], True)],
    ids=["itself", "before", "behind"],
)
def test_a_projection_shortcut_without_flow_is_reported(empty, collapsed):
    model = Residual()
    found = connectivity(model, Residual.shape, full(model, but=empty))
    assert found.disconnected_shortcuts == ("down.downsample.0.weight",)
    assert found.collapsed == collapsed


def test_a_bias_is_live_if_something_hears_it_and_makes_nothing_else_live():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
    mask = {
        "1.weight": torch.tensor([[False], [False]]),
        "1.bias": torch.tensor([True, True]),
        "3.weight": torch.tensor([[True, False]]),
        "3.bias": torch.tensor([False]),
    }
    found = connectivity(model, (1, 1, 1), mask)
    assert found.live_weights == {"1.weight": 0, "1.bias": 1, "3.weight": 0, "3.bias": 0}
    assert found.collapsed
    assert found.empty_layers == ("1.weight", "3.bias")
    assert (found.size, found.kept, found.live) == (7, 3, 1)


def test_facts_are_what_json_can_hold():
    model = Residual()
    found = connectivity(
        model, Residual.shape, full(model, but=["down.downsample.0.weight", "down.conv1.weight"])
    )
    facts = found.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["effective_density"] == found.live / found.size
    assert facts["collapsed"] is True
    assert facts["empty_layers"] == ["down.conv1.weight", "down.downsample.0.weight"]
    assert facts["live_weights"]["stem.weight"] == 0


def test_a_resnet_that_loses_a_branch_and_a_shortcut_but_not_its_flow():
    model = torchvision_models().resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    gone = ["layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.conv2.weight"]
    found = connectivity(model, (3, 32, 32), full(model, but=gone))
    assert not found.collapsed
    assert found.empty_layers == tuple(gone)
    assert found.dead_layers == ("layer1.0.conv2.weight", "layer4.1.conv1.weight")
    assert found.disconnected_shortcuts == ("layer2.0.downsample.0.weight",)
    dead = {*gone, *found.dead_layers}
    sizes = {name: p.numel() for name, p in maskable(model).items()}
    assert found.live_weights == {name: 0 if name in dead else size for name, size in sizes.items()}


def test_synflow_in_one_shot_collapses_lenet_300_100():
    shape = (1, 28, 28)
    model = build_model("lenet_300_100", shape, 10)
    scores = compute_scores(["synflow"], model, (torch.zeros(1, *shape), torch.zeros(1).long()), seed=0)
    flat = torch.cat([layer.reshape(-1) for layer in scores["synflow"].values()])
    keep = np.zeros(len(flat), dtype=bool)
    keep[flat.topk(1331).indices.numpy()] = True  # a density of 0.005
    found = connectivity(
        model, shape, unflatten(keep, {name: p.shape for name, p in maskable(model).items()})
    )
    assert found.collapsed
    assert found.empty_layers == ("fc1.weight",)
    assert found.dead_layers == ("fc2.weight", "fc3.weight")
    assert (found.size, found.kept, found.live) == (266_200, 1331, 0)
