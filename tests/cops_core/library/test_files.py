"""`save` and `load`: the same values bit for bit, in a file that has the seed instead of theta0."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD

import cops_core as cops
from cops_core.masked.view import plain_state
from tests.cops_core.masked.networks import ARMS, BUILDERS, batch, build, loss_of, mask_of, step

DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.half], ids=str)


def check_same(one: nn.Module, other: nn.Module) -> None:
    states = plain_state(one), plain_state(other)
    assert list(states[0]) == list(states[1])
    for name, tensor in states[0].items():
        assert tensor.dtype == states[1][name].dtype
        assert torch.equal(tensor, states[1][name]), name


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize(
    "dtype",
    [
        *(torch.float32, torch.bfloat16),
        *(pytest.param(dtype, marks=pytest.mark.slow) for dtype in (torch.float64, torch.half)),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", BUILDERS)
def test_round_trip(path, name, arm, seed, dtype):
    model = build(name, dtype)
    if seed is not None:
        cops.initialize(model, seed, include=sorted(mask_of(model)))
    ARMS[arm](model, mask_of(model))
    optimizer = SGD(model.parameters(), 0.1, weight_decay=0.1)
    inputs = batch(name)
    inputs = inputs.to(dtype) if inputs.is_floating_point() else inputs
    for _ in range(2):
        step(model, optimizer, inputs)
    size = cops.save(model, path)
    assert path.stat().st_size == size
    found = cops.load(path, lambda: build(name))
    check_same(model, found)
    cops.audit(found)
    assert cops.save(found, path) == size  # the seed is known again
    plain = cops.load(path, lambda: build(name), plain=True)
    assert all(
        type(module) in {nn.Sequential, *map(type, build(name).modules())} for module in plain.modules()
    )
    check_same(found, plain)
    losses = [step(each, SGD(each.parameters(), 0.1), inputs) for each in (model, found)]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.half], ids=str)
@pytest.mark.parametrize("arm", ARMS)
def test_a_network_that_was_converted_after_masking(path, arm, dtype):
    model = build()
    cops.initialize(model, 7)
    ARMS[arm](model, mask_of(model)).to(dtype)
    cops.save(model, path)
    found = cops.load(path, build)
    check_same(model, found)
    cops.audit(found)
    copied = copy.deepcopy(found)
    cops.save(copied, path)
    check_same(cops.load(path, build), model)


@pytest.mark.parametrize("name", BUILDERS)
def test_a_network_without_a_mask(path, name):
    model = build(name, torch.float64)
    cops.save(model, path)
    check_same(cops.load(path, lambda: build(name)), model)


def large() -> nn.Module:
    return nn.Sequential(nn.Linear(1000, 500), nn.ReLU(), nn.Linear(500, 10))


@pytest.mark.parametrize("arm", ARMS)
def test_sizes(path, arm):
    weights = 505_000
    sizes = {}
    for seed in (None, 7):
        for density in (0.1, 0.01, 0.001):
            model = large()
            if seed is not None:
                cops.initialize(model, seed)
            ARMS[arm](model, mask_of(model, density))
            sizes[seed, density] = cops.save(model, path)
    overhead = 4 * 510 + 3000  # biases, names and fields
    for density in (0.1, 0.01, 0.001):
        assert sizes[7, density] < weights * density * 6 + overhead
        stored = 0 if arm == "prune" else 4 * weights
        assert abs(sizes[None, density] - sizes[7, density] - stored) < 1000


def test_weights_that_were_changed_after_the_draw_are_stored(path):
    model = build()
    cops.initialize(model, 7)
    with torch.no_grad():
        model[0].weight.mul_(1.5)
    cops.freeze(model, mask_of(model))
    cops.save(model, path)
    check_same(cops.load(path, build), model)


def test_only_some_layers_are_masked(path):
    model = build("cnn")
    cops.initialize(model, 7, include="0")
    mask = mask_of(model)
    cops.freeze(model, {"0.weight": mask["0.weight"]})
    cops.save(model, path)
    found = cops.load(path, lambda: build("cnn"))
    check_same(found, model)
    assert len(list(found.named_parameters())) == len(list(model.named_parameters()))


def test_a_decayed_scale_and_its_state(path):
    model = build()
    cops.initialize(model, 7)
    cops.freeze(model, mask_of(model), decay=True)
    optimizer = SGD(model.parameters(), 0.1, weight_decay=0.5)
    for _ in range(3):
        step(model, optimizer, batch())
    cops.save(model, path)
    found = cops.load(path, build)
    check_same(model, found)
    for each in (model, found):
        loss_of(each, batch()).backward()
    scales = [each[0].parametrizations.weight[0].scale for each in (model, found)]
    assert float(scales[0].detach()) == float(scales[1].detach()) == pytest.approx(0.95**3)
    assert scales[1] is found[2].parametrizations.weight[0].scale
