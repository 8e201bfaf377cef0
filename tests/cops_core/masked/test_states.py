"""State dicts: small, and refused in one line wherever they do not fit."""

import copy
import io
import pickle

import pytest
import torch
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
from torch.optim import SGD, AdamW

import cops_core as cops
from cops_core.masked.view import plain_state

from .networks import ARMS, BUILDERS, batch, mask_of, masked, step
from .networks import build as built

STRICT = pytest.mark.parametrize("strict", [True, False])


def trained(name: str = "mlp", arm: str = "freeze") -> nn.Module:
    model = masked(name, arm)
    optimizer = SGD(model.parameters(), 0.1, weight_decay=0.1)
    for number in range(2):
        step(model, optimizer, batch(name, number))
    return model


def check_same(one: nn.Module, other: nn.Module) -> None:
    states = plain_state(one), plain_state(other)
    assert list(states[0]) == list(states[1])
    for key, tensor in states[0].items():
        assert torch.equal(tensor, states[1][key]), key


@pytest.mark.parametrize("assign", [True, False])
@STRICT
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", BUILDERS)
def test_round_trip_through_a_file(name, arm, strict, assign):
    model, twin = trained(name, arm), masked(name, arm)
    file = io.BytesIO()
    torch.save({"state_dict": model.state_dict(), "epoch": 2}, file)
    file.seek(0)
    state = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    found = twin.load_state_dict(state, strict=strict, assign=assign)
    assert not found.missing_keys
    assert not found.unexpected_keys
    check_same(model, twin)
    optimizers = [SGD(each.parameters(), 0.1) for each in (model, twin)]
    losses = [step(*each, batch(name)) for each in zip((model, twin), optimizers, strict=True)]
    assert losses[0] == losses[1]
    cops.audit(twin)


def test_size_is_proportional_to_the_kept_weights():
    sizes = []
    for density in (0.1, 0.01, 0.001):
        model = nn.Sequential(nn.Linear(1000, 500, bias=False))
        cops.freeze(model, mask_of(model, density))
        sizes.append(sum(each.numel() * each.element_size() for each in model.state_dict().values()))
    assert sizes[0] < 500_000 * 0.1 * 6  # 4 bytes a value, less than 2 a position
    assert sizes[1] < sizes[0] / 8
    assert sizes[2] < sizes[1] / 7


def wrong_mask() -> nn.Module:
    model = built()
    return cops.freeze(model, mask_of(model, seed=2))


def wrong_mask_of_the_same_size() -> nn.Module:
    model = built()
    mask = {name: each.clone() for name, each in mask_of(model).items()}
    mask["0.weight"] = mask["0.weight"].flip(0)
    return cops.freeze(model, mask)


def wrong_theta0() -> nn.Module:
    model = built()
    mask = mask_of(model)
    with torch.no_grad():
        model[0].weight[~mask["0.weight"]] *= 1.5
    return cops.freeze(model, mask)


def wrong_arm() -> nn.Module:
    return masked(arm="prune")


WRONG = {
    wrong_mask: "has another mask: mask the model with that one",
    wrong_mask_of_the_same_size: "has another mask: mask the model with that one",
    wrong_theta0: "other values outside the mask: build the model with the same initial weights",
    wrong_arm: "other values outside the mask: build the model with the same initial weights",
    built: "plain model's: load it before the model is masked",
}


@STRICT
@pytest.mark.parametrize("make", WRONG)
def test_another_networks_state_is_refused(make, strict):
    model = trained()
    with pytest.raises(RuntimeError, match=r"0\.weight: .*" + WRONG[make]):
        model.load_state_dict(make().state_dict(), strict=strict)


@STRICT
@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("arm", ARMS)
def test_a_plain_network_refuses_a_masked_ones_state(name, arm, strict):
    with pytest.raises(RuntimeError, match="size mismatch"):
        built(name).load_state_dict(masked(name, arm).state_dict(), strict=strict)


def test_a_record_that_is_missing_or_damaged():
    model, state = trained(), trained().state_dict()
    for damage in (torch.tensor([1, 2]), state["0.weight"][..., :-4], state["0.weight"].float()):
        with pytest.raises(RuntimeError, match=r"0\.weight: the state"):
            model.load_state_dict({**state, "0.weight": damage})
    del state["0.weight"]
    with pytest.raises(RuntimeError, match=r'Missing key.*"0\.weight"'):
        model.load_state_dict(state)
    assert model.load_state_dict(state, strict=False).missing_keys == ["0.weight"]


def test_a_whole_module_is_not_pickled():
    for save in (pickle.dumps, lambda model: torch.save(model, io.BytesIO())):
        with pytest.raises(RuntimeError, match="parametrized modules is only supported through state_dict"):
            save(masked())


def test_optimizers_resume():
    model, twin = trained(), masked()
    optimizer = AdamW(model.parameters(), 0.01)
    step(model, optimizer, batch())
    twin.load_state_dict(model.state_dict())
    resumed = AdamW(twin.parameters(), 0.01)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for _ in range(3):
        losses = [step(*each, batch()) for each in ((model, optimizer), (twin, resumed))]
        assert losses[0] == losses[1]
    check_same(model, twin)


def test_states_inside_of_wrappers():
    for wrap in (nn.DataParallel, lambda model: nn.Sequential(nn.Identity(), model)):
        model, twin = wrap(trained()), wrap(masked())
        twin.load_state_dict(model.state_dict())
        check_same(model, twin)
        part, other = nn.Sequential(trained()), nn.Sequential(masked())
        other[0].load_state_dict({key[2:]: each for key, each in part.state_dict().items()})
        check_same(part, other)


def test_states_of_torch_distributed():
    model, twin = trained("tied"), masked("tied")
    set_model_state_dict(twin, get_model_state_dict(model))
    check_same(model, twin)


def test_kept_variables_have_their_graph():
    state: dict[str, Tensor] = masked().state_dict(keep_vars=True)
    assert state["0.parametrizations.weight.original"].requires_grad
