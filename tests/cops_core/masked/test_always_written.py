"""theta is computed at each read from v as it is then: no change of v is missed, however it is made."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.optim import SGD

from cops_core.errors import DriftError, InputError

from .networks import ARMS, batch, loss_of, masked, step


def values(model: nn.Module) -> nn.Parameter:
    """v of the first layer."""
    return model[0].parametrizations.weight.original


def by_data(v: nn.Parameter) -> None:
    v.data.add_(1)  # the version counter stays


def by_new_data(v: nn.Parameter) -> None:
    v.data = v.data + 1


def by_numpy(v: nn.Parameter) -> None:
    v.detach().numpy()[:] += 1  # the version counter stays


def by_storage(v: nn.Parameter) -> None:
    view = torch.tensor([]).set_(v.untyped_storage())
    view.add_(1)  # another tensor with the same memory, as collectives have


def without_gradient(v: nn.Parameter) -> None:
    with torch.no_grad():
        v.add_(1)


def in_inference_mode(v: nn.Parameter) -> None:
    with torch.inference_mode():
        v.add_(1)


def foreach(v: nn.Parameter) -> None:
    torch._foreach_add_([v.detach()], 1)


def fused(v: nn.Parameter) -> None:
    v.grad = -torch.ones_like(v)
    SGD([v], 1.0, fused=True).step()


CHANGES = (by_data, by_new_data, by_numpy, by_storage, without_gradient, in_inference_mode, foreach, fused)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("density", [0.5, 0.05], ids=["dense products", "sparse products"])
@pytest.mark.parametrize("arm", ARMS)
def test_every_change_of_v_is_seen(arm, density, change: Callable[[nn.Parameter], None]):
    model = masked(arm=arm, density=density)
    inputs = batch()
    weight, output = model[0].weight.detach().clone(), model[0](inputs).detach()
    change(values(model))
    kept = model[0].parametrizations.weight[0]
    expected = weight.reshape(-1).index_add(0, kept.places, torch.ones(len(kept.places))).view(weight.shape)
    torch.testing.assert_close(model[0].weight.detach(), expected)
    torch.testing.assert_close(model[0](inputs), functional.linear(inputs, expected, model[0].bias))
    assert not torch.equal(model[0](inputs), output)
    with torch.inference_mode():
        torch.testing.assert_close(model[0].weight.clone(), expected)


def test_two_reads_without_a_change_keep_the_graph():
    model = masked(density=0.5)
    step(model, SGD(model.parameters(), 0.1), batch())
    model.zero_grad()
    first = loss_of(model, batch())
    second = loss_of(model, batch(seed=1))
    with torch.no_grad():
        model(batch())
    with torch.inference_mode():
        model(batch())
    (first + second).backward()
    joint = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    for seed in (0, 1):
        loss_of(model, batch(seed=seed)).backward()  # gradients are accumulated
    for parameter, expected in zip(model.parameters(), joint, strict=True):
        torch.testing.assert_close(parameter.grad, expected)


@pytest.mark.parametrize("density", [0.5, 0.05], ids=["dense products", "sparse products"])
@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("read", [True, False])
def test_a_step_between_forward_and_backward_raises(arm, density, read):
    model = masked(arm=arm, density=density)
    optimizer = SGD(model.parameters(), 0.1)
    loss = loss_of(model, batch())
    loss.backward(retain_graph=True)
    optimizer.step()
    if read:
        model(batch())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_assigning_to_a_masked_weight_is_refused():
    model = masked()
    with pytest.raises(InputError, match="cannot be assigned: change parametrizations"):
        model[0].weight = torch.zeros(100, 120)
    with pytest.raises(KeyError, match="weight"):  # by torch
        model[0].weight = nn.Parameter(torch.zeros(100, 120))


def in_place_by_init(weight: Tensor) -> None:
    nn.init.normal_(weight)


def in_place_without_gradient(weight: Tensor) -> None:
    with torch.no_grad():
        weight.mul_(2)


@pytest.mark.parametrize("change", [in_place_by_init, in_place_without_gradient])
@pytest.mark.parametrize("arm", ARMS)
def test_changing_theta_in_place_is_refused_at_the_next_read(arm, change):
    model = masked(arm=arm, density=0.5)
    change(model[0].weight)
    with pytest.raises(DriftError, match=r"changed in place.*original"):
        model(batch())


def test_one_vector_of_all_parameters():
    model = masked()
    vector = parameters_to_vector(model.parameters()).detach()
    vector_to_parameters(vector * 0, model.parameters())
    assert all(not values.any() for values in model.parameters())
    assert not torch.equal(model(batch()), masked()(batch()))
    vector_to_parameters(vector, model.parameters())
    torch.testing.assert_close(model(batch()), masked()(batch()))
