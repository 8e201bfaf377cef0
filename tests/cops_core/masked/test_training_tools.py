"""Optimizers, averages of weights, clipping, copies: the tools of training loops, on a masked network."""

import copy
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adafactor, Adagrad, Adam, AdamW, Muon, NAdam, Optimizer, RMSprop, Rprop
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

import cops_core as cops
from cops_core.masked.view import plain_state

from .networks import ARMS, batch, loss_of, mask_of, masked, step

OPTIMIZERS: dict[str, Callable[[Iterable[Tensor]], Optimizer]] = {
    "sgd, foreach": lambda parameters: SGD(parameters, 0.1, momentum=0.9, foreach=True),
    "sgd, fused": lambda parameters: SGD(parameters, 0.1, momentum=0.9, fused=True),
    "adam, fused": lambda parameters: Adam(parameters, 0.01, fused=True),
    "adamw, foreach": lambda parameters: AdamW(parameters, 0.01, foreach=True),
    "adagrad": Adagrad,
    "adafactor": Adafactor,
    "nadam": NAdam,
    "rmsprop": lambda parameters: RMSprop(parameters, 0.001),
    "rprop": Rprop,
    "muon": lambda parameters: Muon([each for each in parameters if each.ndim == 2], 0.01),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("arm", ["freeze", "prune"])
def test_optimizers(arm, make):
    model = masked(arm=arm)
    optimizer = make(model.parameters())
    losses = [step(model, optimizer, batch()) for _ in range(10)]
    assert losses[-1] < losses[0]
    cops.audit(model)


def test_an_optimizer_with_a_closure():
    model = masked()
    optimizer = torch.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        loss = loss_of(model, batch())
        loss.backward()
        return float(loss.detach())

    losses = [optimizer.step(closure) for _ in range(3)]
    assert losses[-1] < losses[0] / 2
    cops.audit(model)


def test_an_optimizer_made_before_masking_may_be_used():
    model = masked()
    later = cops.materialize(copy.deepcopy(model))
    optimizers = SGD(model.parameters(), 0.1), SGD(later.parameters(), 0.1)
    cops.freeze(later, mask_of(later))
    for _ in range(3):
        losses = [step(*each, batch()) for each in zip((model, later), optimizers, strict=True)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("density", [0.5, 0.05])
def test_accumulated_and_clipped_gradients(density):
    whole, parts = masked(density=density), masked(density=density)
    inputs = batch(size=24)
    loss_of(whole, inputs).backward()
    for part, label in zip(inputs.chunk(3), (torch.arange(24) * 5 % 12).chunk(3), strict=True):
        (nn.functional.cross_entropy(parts(part), label) / 3).backward()
    norms = [float(nn.utils.clip_grad_norm_(each.parameters(), 0.01)) for each in (whole, parts)]
    assert norms[0] == pytest.approx(norms[1])
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    nn.utils.clip_grad_value_(whole.parameters(), 1e-4)
    assert max(float(each.grad.abs().max()) for each in whole.parameters()) <= 1.0001e-4


@pytest.mark.parametrize("use_buffers", [True, False])
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", ["mlp", "batch norm", "tied"])
def test_averages_of_weights(name, arm, use_buffers):
    model = masked(name, arm)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=use_buffers)
    optimizer = SGD(model.parameters(), 0.1, weight_decay=0.1)
    expected: dict[str, Tensor] = {}
    for number in range(4):
        step(model, optimizer, batch(name, number))
        average.update_parameters(model)
        for key, parameter in model.named_parameters():
            before = expected.get(key)
            now = parameter.detach().clone()
            expected[key] = now if before is None else 0.5 * before + 0.5 * now
    for key, parameter in average.module.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[key])
    cops.audit(average)
    assert not torch.equal(average(batch(name)), model(batch(name)))
    update_bn([batch(name)], average)
    restored = AveragedModel(masked(name, arm))
    restored.load_state_dict(average.state_dict())
    torch.testing.assert_close(restored(batch(name)), average(batch(name)))


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", ["mlp", "batch norm", "tied"])
def test_copies_are_independent(name, arm):
    model = masked(name, arm)
    optimizer = SGD(model.parameters(), 0.1, weight_decay=0.1)
    for steps in (0, 1):
        for _ in range(steps):
            step(model, optimizer, batch(name))
        twin = copy.deepcopy(copy.deepcopy(model))
        before = {key: each.clone() for key, each in plain_state(model).items()}
        assert list(before) == list(plain_state(twin))
        assert all(torch.equal(each, plain_state(twin)[key]) for key, each in before.items())
        losses = [
            step(each, SGD(each.parameters(), 0.1), batch(name)) for each in (copy.deepcopy(model), twin)
        ]
        assert losses[0] == losses[1]
        assert all(torch.equal(each, plain_state(model)[key]) for key, each in before.items())
        cops.audit(twin)
        cops.materialize(twin)
        model(batch(name))
        assert twin.state_dict().keys() == before.keys()


@pytest.mark.parametrize("density", [0.5, 0.05])
@pytest.mark.parametrize("arm", ARMS)
def test_switching_training_off_and_on(arm, density):
    model = masked(arm=arm, density=density).requires_grad_(False)
    assert not model(batch()).requires_grad
    inputs = batch().requires_grad_()
    model(inputs).sum().backward()
    assert inputs.grad is not None
    model.requires_grad_(True)
    loss_of(model, batch()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    with torch.no_grad():
        assert not model.eval()(batch()).requires_grad
    torch.testing.assert_close(model.train()(batch()), model.eval()(batch()))


def test_data_parallel_around_the_network():
    outside, inside = nn.DataParallel(masked()), nn.DataParallel(cops.materialize(masked()))
    cops.freeze(inside, mask_of(inside))
    losses = [step(each, SGD(each.parameters(), 0.1), batch()) for each in (outside, inside, masked())]
    assert losses[0] == losses[1] == losses[2]
    assert cops.audit(outside) == cops.audit(inside) > 0
