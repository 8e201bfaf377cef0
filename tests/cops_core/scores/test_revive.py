"""Removed weights that may come back: the masked network's gradient, at the weights' own values."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from cops_core.mask import Mask
from cops_core.prunable import maskable
from cops_core.scores import SCORES, compute_scores


def half(model: nn.Module) -> Mask:
    generator = torch.Generator().manual_seed(0)
    return Mask({n: torch.rand(w.shape, generator=generator) < 0.5 for n, w in maskable(model).items()})


def masked(model: nn.Module, mask: Mask) -> nn.Module:
    net = copy.deepcopy(model).requires_grad_(True)
    with torch.no_grad():
        for name, weight in maskable(net).items():
            weight.mul_(mask[name])
    return net


def test_snip_by_hand(network, build, batch):
    model = build(network, torch.float64)
    mask = half(model)
    ours = compute_scores(["snip"], model, batch, seed=1, mask=mask, revive=True)["snip"]
    net = masked(model, mask)
    for module in net.modules():
        module.training = isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
    cross_entropy(net(batch[0]), batch[1]).backward()
    for name, weight in maskable(model).items():
        expected = (maskable(net)[name].grad * weight).abs().detach()
        torch.testing.assert_close(ours[name], expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("score", SCORES)
def test_survivors_score_as_they_do_without(score, network, build, batch):
    model = build(network, torch.float64)
    mask = half(model)
    plain, revived = (
        compute_scores([score], model, batch, seed=1, mask=mask, revive=revive)[score]
        for revive in (False, True)
    )
    for name, keep in mask.items():
        assert torch.equal(plain[name][keep], revived[name][keep])


@pytest.mark.parametrize("score", ["magnitude", "snip", "synflow", "fisher"])
def test_removed_weights_have_a_score_to_come_back_by(score, build, batch):
    model = build("plain", torch.float64)
    mask = half(model)
    plain, revived = (
        compute_scores([score], model, batch, seed=1, mask=mask, revive=revive)[score]
        for revive in (False, True)
    )
    for name, keep in mask.items():
        assert not plain[name][~keep].any()
        assert (revived[name][~keep] > 0).float().mean() > 0.5


def test_without_a_mask_nothing_changes(build, batch):
    model = build("batch_norm")
    one, other = (compute_scores(SCORES, model, batch, seed=1, revive=revive) for revive in (False, True))
    for score in SCORES:
        assert all(torch.equal(one[score][name], other[score][name]) for name in one[score])
