"""Derivatives of a masked network: of both orders, by transforms, in checkpoints, several at once."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

import cops_core as cops
from cops_core.masked.view import masked_weights

from .networks import ARMS, batch, build, labels, loss_of, mask_of, masked

DENSITIES = pytest.mark.parametrize("density", [0.5, 0.05], ids=["dense products", "sparse products"])
EVERY_ARM = pytest.mark.parametrize("arm", ARMS)


def plain(model: nn.Module) -> nn.Module:
    return cops.materialize(copy.deepcopy(model))


def check_gradients(model: nn.Module, reference: nn.Module) -> None:
    """The masked network's gradients are the plain one's at the kept places."""
    weights = masked_weights(model)
    for name, parameter in reference.named_parameters():
        ours = weights[name].values.grad if name in weights else model.get_parameter(name).grad
        theirs = parameter.grad
        if name in weights:
            theirs = theirs.reshape(-1)[weights[name].kept.places].view(ours.shape)
        torch.testing.assert_close(ours, theirs, msg=name)


@DENSITIES
@EVERY_ARM
def test_a_gradient_penalty(arm, density):
    model = masked(arm=arm, density=density, dtype=torch.float64)
    reference = plain(model)
    for each in (model, reference):
        inputs = batch(dtype=torch.float64).requires_grad_()
        (slope,) = torch.autograd.grad(each(inputs).square().sum(), inputs, create_graph=True)
        slope.square().sum().backward()
    check_gradients(model, reference)


@EVERY_ARM
def test_gradients_of_both_orders_are_those_of_differences(arm):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(100, 102), nn.Tanh(), nn.Linear(102, 2)).double()
    ARMS[arm](model, mask_of(model, 0.002))
    inputs = torch.randn(2, 100, dtype=torch.float64)
    v = [each.values for each in masked_weights(model).values()]

    def output(*_: Tensor) -> Tensor:
        return model(inputs)

    # Only v: gradcheck compares with finite differences, in place.
    assert gradcheck(output, v)
    assert gradgradcheck(output, v)


@DENSITIES
@EVERY_ARM
@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_activations(arm, density, reentrant):
    model = masked(arm=arm, density=density)
    reference = copy.deepcopy(model)
    inputs = batch().requires_grad_()
    loss_of(reference, inputs).backward()
    output = checkpoint(model, inputs, use_reentrant=reentrant)
    functional.cross_entropy(output, labels()).backward()
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


@DENSITIES
@EVERY_ARM
def test_other_values_by_functional_call(arm, density):
    model = masked(arm=arm, density=density)
    values = {name: torch.stack([each, 2 * each]).detach() for name, each in model.named_parameters()}
    inputs = batch()
    both = vmap(lambda given: functional_call(model, given, (inputs,)))(values)
    torch.testing.assert_close(both[0], model(batch()))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2)
    torch.testing.assert_close(both[1], model(batch()))


@DENSITIES
@EVERY_ARM
def test_gradients_by_torch_func(arm, density):
    model = masked(arm=arm, density=density)
    values = {name: each.detach() for name, each in model.named_parameters()}

    def loss(given: dict[str, Tensor], inputs: Tensor, label: Tensor) -> Tensor:
        return functional.cross_entropy(functional_call(model, given, (inputs,)), label)

    whole = grad(loss)(values, batch(), labels())
    samples = vmap(grad(loss), in_dims=(None, 0, 0))(values, batch()[:, None], labels()[:, None])
    loss_of(model, batch()).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(whole[name], parameter.grad)
        torch.testing.assert_close(samples[name].mean(0), parameter.grad)


@DENSITIES
@EVERY_ARM
def test_jacobians_of_every_kind(arm, density):
    model = masked(arm=arm, density=density)
    one = batch()[0]
    expected = jacrev(plain(model))(one)
    torch.testing.assert_close(jacrev(model)(one), expected)
    torch.testing.assert_close(jacfwd(model)(one), expected)
    for vectorize in (True, False):
        found = torch.autograd.functional.jacobian(model, one, vectorize=vectorize)
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(jvp(model, (one,), (one,))[1], expected @ one)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(model(forward_ad.make_dual(one, one)))
        torch.testing.assert_close(dual.tangent, expected @ one)
    curvature = hessian(lambda each: plain(model)(each).sum())(one)
    torch.testing.assert_close(hessian(lambda each: model(each).sum())(one), curvature)


@DENSITIES
@EVERY_ARM
def test_several_gradients_at_once(arm, density):
    model = masked(arm=arm, density=density)
    total = model(batch()).sum(0)
    found = torch.autograd.grad(
        total, list(model.parameters()), torch.eye(12), is_grads_batched=True, retain_graph=True
    )
    for number in range(12):
        expected = torch.autograd.grad(total[number], list(model.parameters()), retain_graph=True)
        for several, one in zip(found, expected, strict=True):
            torch.testing.assert_close(several[number], one)


@DENSITIES
@EVERY_ARM
def test_saved_tensors_may_lie_elsewhere(arm, density):
    model = masked(arm=arm, density=density)
    reference = plain(model)
    with torch.autograd.graph.save_on_cpu():
        loss = loss_of(model, batch())
    loss.backward()
    loss_of(reference, batch()).backward()
    check_gradients(model, reference)


@DENSITIES
def test_a_hook_on_the_weight_sees_theta_s_gradient(density):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(120, 100))
    seen = []
    model[0].weight.register_hook(lambda gradient: seen.append(gradient.shape))
    cops.freeze(model, mask_of(model, density))
    model(batch()).sum().backward()
    assert seen == [torch.Size([100, 120])]
    cops.materialize(model)(batch()).sum().backward()
    assert len(seen) == 2


def test_gradients_that_were_computed_before_do_not_stay():
    model = build()
    loss_of(model, batch()).backward()
    cops.freeze(model, mask_of(model))
    loss_of(model, batch()).backward()
    cops.materialize(model)
    loss_of(model, batch()).backward()
    assert all(each.grad.shape == each.shape for each in model.parameters())
