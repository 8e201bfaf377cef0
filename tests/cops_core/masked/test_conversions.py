"""A masked network moves and converts as the plain one does, and its audit sees through it."""

import copy

import pytest
import torch
from torch import nn
from torch.optim import SGD

import cops_core as cops
from cops_core.errors import DriftError, InputError
from cops_core.masked.view import plain_state

from .networks import ARMS, BUILDERS, batch, build, loss_of, mask_of, masked, step

EVERY_ARM = pytest.mark.parametrize("arm", ARMS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
@EVERY_ARM
@pytest.mark.parametrize("name", BUILDERS)
def test_to_another_type(name, arm, dtype):
    model = masked(name, arm)
    plain = cops.materialize(copy.deepcopy(model)).to(dtype)
    model.to(dtype)
    state = plain_state(model)
    for key, expected in plain.state_dict().items():
        assert state[key].dtype == expected.dtype
        assert torch.equal(state[key], expected), key
    inputs = batch(name, dtype=torch.float32)
    inputs = inputs.to(dtype) if inputs.is_floating_point() else inputs
    torch.testing.assert_close(model(inputs), plain(inputs))
    loss_of(model, inputs).backward()
    SGD(model.parameters(), 0.1).step()
    cops.audit(model)
    cops.audit(model.float())
    cops.audit(copy.deepcopy(model).double())


@EVERY_ARM
def test_a_conversion_does_not_hide_a_change(arm):
    model = masked(arm=arm)
    kept = model[0].parametrizations.weight[0]
    outside = next(place for place in range(100) if place not in kept.places)
    kept._theta0.view(-1)[outside] += 1
    for convert in (model.double, model.half, model.float):
        with pytest.raises(DriftError, match=r"0\.weight outside the mask"):
            cops.audit(convert())


@EVERY_ARM
@pytest.mark.parametrize("when", ["before", "after"])
def test_channels_last(arm, when):
    plain = cops.materialize(masked("cnn", arm))
    if when == "before":
        model = build("cnn").to(memory_format=torch.channels_last)
        ARMS[arm](model, mask_of(model))
    else:
        model = masked("cnn", arm).to(memory_format=torch.channels_last)
    inputs = batch("cnn").to(memory_format=torch.channels_last)
    torch.testing.assert_close(model(inputs), plain(inputs))
    step(model, SGD(model.parameters(), 0.1), inputs)
    assert cops.audit(model) > 0


@EVERY_ARM
def test_autocast(arm):
    for density in (0.5, 0.05):
        model = masked(arm=arm, density=density)
        optimizer = SGD(model.parameters(), 0.1)
        for _ in range(2):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, batch())
            loss.backward()
            optimizer.step()
        plain = cops.materialize(copy.deepcopy(model))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(model(batch()), plain(batch()))
        cops.audit(model)


def test_masked_or_converted_in_inference_mode():
    with torch.inference_mode():
        model = masked()
        expected = model(batch()).clone()
    plain = masked()
    torch.testing.assert_close(plain(batch()), expected)
    with torch.inference_mode():
        plain.double()
        torch.testing.assert_close(plain(batch().double()).float(), expected)


@pytest.mark.parametrize("how", ["swap_module_params_on_conversion", "overwrite_module_params_on_conversion"])
def test_conversions_that_replace_parameters(how):
    switch = getattr(torch.__future__, f"set_{how}")
    model = masked()
    switch(True)
    try:
        model.double()
    finally:
        switch(False)
    step(model, SGD(model.parameters(), 0.1), batch().double())
    torch.testing.assert_close(
        model(batch().double()), cops.materialize(copy.deepcopy(model))(batch().double())
    )
    cops.audit(model)


def test_values_that_would_be_lost():
    with pytest.raises(InputError, match="to_empty would lose the mask"):
        masked().to_empty(device="cpu")
    away = masked().to("meta")
    with pytest.raises(InputError, match="to_empty would lose the mask"):
        away.to_empty(device="cpu")


def test_shared_memory():
    model = masked().share_memory()
    assert all(each.is_shared() for each in model.parameters())
    step(model, SGD(model.parameters(), 0.1), batch())
    assert isinstance(model, nn.Sequential)
