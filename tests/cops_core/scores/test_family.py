"""Members of the family of generalized synaptic scores: what they are, and their values by hand."""

import copy
from collections.abc import Callable, Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cops_core.contracts.networks import NETWORKS, batch
from cops_core.contracts.networks import build as build_network
from cops_core.contracts.scores import GPU_CHECKS, SCORE_CHECKS
from cops_core.errors import InputError
from cops_core.prunable import maskable
from cops_core.scores import (
    CONVENTIONS,
    FUNCTIONALS,
    KINDS,
    NAMED,
    SCORES,
    Member,
    compute_scores,
    find_score,
    key_of,
    kind_of,
    member_of,
)
from cops_core.scores.loss import MeanCrossEntropy

# As every score keeps the contract, so does every member; these are far from the named ones.
UNNAMED = (
    Member(functional="loss", p=1.25, r=0.5),
    Member(functional="gradient_flow", p=2, r=1.5),
    Member(functional="synflow", p=1.5, r=0),
    Member(p=0, r=0.3),
    Member(functional="loss", form="signed"),
)


@pytest.mark.parametrize("member", UNNAMED, ids=str)
@pytest.mark.parametrize("check", SCORE_CHECKS, ids=lambda check: check.name)
def test_contract(member, check):
    for case in check.cases:
        check.run(member, case)


@pytest.mark.gpu
@pytest.mark.parametrize("member", UNNAMED, ids=str)
@pytest.mark.parametrize("check", GPU_CHECKS, ids=lambda check: check.name)
def test_contract_on_the_gpu(member, check):
    for case in check.cases:
        check.run(member, case)


def ready(model: nn.Module, train: bool = True) -> nn.Module:
    return copy.deepcopy(model).train(train).requires_grad_(True)


def slope(scalar: Tensor, model: nn.Module, graph: bool = False) -> list[Tensor]:
    return list(torch.autograd.grad(scalar, list(maskable(model).values()), create_graph=graph))


def loss_slopes(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[list[Tensor], nn.Module]:
    model = ready(model)
    return slope(cross_entropy(model(images), labels), model), model


def flow_slopes(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[list[Tensor], nn.Module]:
    """H g as the gradient of half the squared gradient norm, logits over 200."""
    model = ready(model)
    gradients = slope(cross_entropy(model(images) / 200, labels), model, graph=True)
    return slope(sum((g**2).sum() for g in gradients) / 2, model), model


def synflow_slopes(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[list[Tensor], nn.Module]:
    model = ready(model, train=False)
    with torch.no_grad():
        for weight in maskable(model).values():
            weight.abs_()
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
                module.bias.zero_()
    return slope(model(torch.ones_like(images[:1])).sum(), model), model


BY_HAND: Mapping[str, Callable[..., tuple[list[Tensor], nn.Module]]] = {
    "loss": loss_slopes,
    "gradient_flow": flow_slopes,
    "synflow": synflow_slopes,
}


@pytest.mark.parametrize("network", ["plain", "batch_norm"])
@pytest.mark.parametrize("functional", FUNCTIONALS)
@pytest.mark.parametrize(("p", "r"), [(1.25, 0.5), (2.0, 2.0), (0.5, 0.0), (1.0, 0.3), (0.0, 1.7)])
def test_values_are_a_loop_over_the_weights(network, functional, p, r):
    """Each weight's value by Python's own powers, its gradient by plain autograd on the whole model."""
    model, (images, labels) = build_network(network, torch.float64), batch()
    images = images.double()
    slopes, at = BY_HAND[functional](model, images, labels)
    member = Member(functional=functional, p=p, r=r)
    ours = compute_scores([member], model, (images, labels), seed=0)[member]
    for (name, weight), gradient in zip(maskable(at).items(), slopes, strict=True):
        expected = [
            (abs(g) ** p if p else 1.0) * (abs(w) ** r if r else 1.0)
            for g, w in zip(gradient.flatten().tolist(), weight.flatten().tolist(), strict=True)
        ]
        torch.testing.assert_close(
            ours[name].flatten(), torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=0.0
        )


@pytest.mark.parametrize("functional", ["loss", "gradient_flow"])
def test_signed_values_are_the_product(functional):
    model, (images, labels) = build_network("plain", torch.float64), batch()
    slopes, at = BY_HAND[functional](model, images.double(), labels)
    member = Member(functional=functional, form="signed")
    ours = compute_scores([member], model, (images, labels), seed=0)[member]
    for (name, weight), gradient in zip(maskable(at).items(), slopes, strict=True):
        torch.testing.assert_close(ours[name], gradient * weight.detach(), rtol=1e-9, atol=0.0)
    assert find_score(member).traits.signed


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from([*NAMED]),
    st.sampled_from([*NETWORKS]),
    st.sampled_from([*CONVENTIONS]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_a_member_that_is_a_named_score_is_that_score_bit_for_bit(name, network, convention, dtype):
    model, member = build_network(network, dtype), NAMED[name]
    found = compute_scores([name, member], model, batch(), seed=1, convention=convention)
    for layer, values in found[name].items():
        assert values.dtype == found[member][layer].dtype
        assert torch.equal(values, found[member][layer])


powers = st.floats(0, 2)


@given(st.sampled_from([*FUNCTIONALS]), powers, powers)
def test_through_json_and_back(functional, p, r):
    if p == r == 0:
        r = 1.0
    member = Member(functional=functional, p=p, r=r)
    assert Member.model_validate_json(member.model_dump_json()) == member
    assert Member.model_validate_json(member.model_dump_json(exclude_defaults=True)) == member


@given(st.lists(st.tuples(st.sampled_from([*FUNCTIONALS]), powers, powers), min_size=2, max_size=2))
def test_keys_are_equal_for_equal_scores_alone(two):
    one, other = (Member(functional=f, p=p, r=r if p + r > 0 else 1.0) for f, p, r in two)
    assert (one.key == other.key) == (one == other)


def test_names_are_short_and_keys_are_exact():
    near = [Member(functional="loss", p=p, r=0.5) for p in (1.25, 1.250001)]
    assert [str(member) for member in near] == ["gss(loss, 1.25, 0.5)"] * 2
    assert [member.key for member in near] == ["gss(loss, 1.25, 0.5)", "gss(loss, 1.250001, 0.5)"]
    assert {member.kind for member in near} == {"gss(loss)"}
    assert str(Member(p=0, r=0.5)) == "gss(weights, 0, 0.5)"
    assert str(Member(functional="gradient_flow", form="signed")) == "gss(gradient_flow, signed)"
    assert (str(Member(functional="loss")), key_of("snip"), kind_of("snip")) == (
        "gss(loss, 1, 1)",
        "snip",
        "snip",
    )


def test_every_kind_is_known():
    kinds = {
        Member(functional=name, p=p, form=form).kind
        for name in FUNCTIONALS
        for p, form in ((0, "powers"), (1, "powers"), (1, "signed"))
    }
    assert kinds == set(KINDS)


def test_equal_scores_are_one_member():
    assert Member(functional="loss", p=0) == Member(functional="synflow", p=0) == Member(p=-0.0)
    assert str(Member(p=-0.0).p) == "0.0"
    assert Member(functional="synflow", form="signed") == Member(functional="synflow")
    assert Member(functional="loss", form="signed") != Member(functional="loss")
    assert len({Member(functional="loss", p=1), Member(functional="loss", p=1.0)}) == 1


def test_named_scores_that_are_members_are_found():
    assert set(NAMED) == set(SCORES) - {"random", "fisher", "prospr"}
    assert [member_of(score) for score in ("fisher", "random", "prospr")] == [None] * 3
    assert member_of(UNNAMED[0]) == UNNAMED[0]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"p": 0, "r": 0}, "p = r = 0 gives all weights the same score: write a positive p or r"),
        ({"p": 1}, "p = 1 needs a functional: write one of loss, gradient_flow, synflow, or p=0"),
        ({"functional": "loss", "p": 2.1}, "less than or equal to 2"),
        ({"functional": "loss", "r": -0.1}, "greater than or equal to 0"),
        ({"functional": "loss", "p": float("nan")}, "finite number"),
        ({"functional": "los"}, "unknown functional 'los': did you mean 'loss'"),
        (
            {"functional": "loss", "p": 2, "form": "signed"},
            "form 'signed' with p = 2, r = 1: write p = r = 1",
        ),
        ({"functional": "loss", "form": "sign"}, "unknown form 'sign': did you mean 'signed'"),
        ({"functional": "loss", "q": 1}, "unknown field 'q'"),
    ],
)
def test_what_is_no_member_is_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        Member(**fields)


def test_members_of_a_functional_share_its_gradient(monkeypatch):
    calls = []
    value = MeanCrossEntropy.value

    def counted(self, *arguments):
        calls.append(self.temperature)
        return value(self, *arguments)

    monkeypatch.setattr(MeanCrossEntropy, "value", counted)
    wanted = [
        "snip",
        "grasp",
        Member(functional="gradient_flow", p=0.5),
        *(Member(functional="loss", p=p) for p in (0.5, 1, 2)),
    ]
    compute_scores(wanted, build_network("plain"), batch(), seed=0)
    assert sorted(calls) == [1.0, 200.0]


def scaled(factor: float, dtype: torch.dtype) -> nn.Module:
    model = build_network("plain", dtype)
    with torch.no_grad():
        for weight in maskable(model).values():
            weight.mul_(factor)
    return model


def test_small_powers_are_not_lost_in_float32():
    """Weights of about 1e-30: their squares are 0 in float32."""
    square, plain = Member(p=0, r=2), Member(p=0)
    found = compute_scores([square, plain], scaled(1e-30, torch.float32), batch(), seed=0)
    for name, values in found[square].items():
        assert values.dtype == torch.float64
        assert torch.equal(values, found[plain][name].double() ** 2)
        assert bool((values > 0).all())


def test_what_is_too_small_or_too_large_for_float64_is_refused():
    square = Member(p=0, r=2)
    with pytest.raises(InputError, match=r"\|theta\|\^2 is too small for float64 in 0.weight"):
        compute_scores([square], scaled(1e-200, torch.float64), batch(), seed=0)
    with pytest.raises(InputError, match=r"score 'gss\(weights, 0, 2\)' is not finite in 0.weight"):
        compute_scores([square], scaled(1e200, torch.float64), batch(), seed=0)
