"""`audit` finds every change outside the mask, and none inside."""

import pytest
import torch

import cops_core as cops
from cops_core.errors import DriftError, InputError
from tests.cops_core.masked.networks import ARMS, BUILDERS, build, mask_of, masked


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", BUILDERS)
def test_one_changed_weight_outside(name, arm):
    model = masked(name, arm)
    parameters = build(name)
    mask = mask_of(parameters)
    assert cops.audit(model) == mask.size - mask.kappa
    layer = next(iter(mask))
    theta0 = model.get_submodule(layer.removesuffix(".weight")).parametrizations.weight[0]._theta0
    place = int((~mask[layer].reshape(-1)).nonzero()[-1])
    before = theta0.view(-1)[place].clone()
    theta0.view(-1)[place] += 1e-6
    with pytest.raises(DriftError, match=f"weights of {layer} outside the mask have changed"):
        cops.audit(model)
    theta0.view(-1)[place] = before
    cops.audit(model)


@pytest.mark.parametrize("arm", ["prune", "freeze", "scale"])
def test_a_change_of_the_weight_s_data(arm):
    model = masked(arm=arm)
    mask = mask_of(build())
    model[0].weight.data[mask["0.weight"]] += 1  # it is written anew at the next read
    cops.audit(model)
    model[0].weight.data[~mask["0.weight"]] += 1
    with pytest.raises(DriftError, match=r"0\.weight"):
        cops.audit(model)


def test_a_plain_network_has_nothing_to_audit():
    assert cops.audit(build()) == 0
    assert cops.audit(cops.materialize(masked())) == 0


def test_arguments_of_the_arms():
    for factor in (-0.1, 1.1, float("nan"), "1", None):
        with pytest.raises(InputError, match=r"a number in \[0, 1\]"):
            cops.scale(build(), mask_of(build()), factor)
    with pytest.raises(InputError, match="type Tensor: write a torch"):
        cops.freeze(torch.ones(2), mask_of(build()))
    for seed in (-1, 2**32, 1.0, True, None):
        with pytest.raises(InputError, match="an integer from 0 to"):
            cops.initialize(build(), seed)
