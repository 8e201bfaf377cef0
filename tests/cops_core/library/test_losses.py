"""Scores of any loss on any batch, compared with plain autograd."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cops_core.errors import InputError
from cops_core.prunable import maskable
from cops_core.scores import compute_scores
from tests.cops_core.library.networks import Language, Recurrent, Regression, Signal, Volume, build, noise

Loss = Callable[[nn.Module, Any], Tensor]


def regression(model: nn.Module, batch: Any) -> Tensor:
    left, right, wanted = batch
    return functional.mse_loss(model(left, right), wanted)


def language(model: nn.Module, batch: Any) -> Tensor:
    return model(**batch).loss


def energy(model: nn.Module, batch: Any) -> Tensor:
    return model(batch).square().mean()


def tokens(seed: int) -> dict[str, Tensor]:
    draws = torch.randint(11, (2, 5), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": draws, "labels": draws.roll(-1, 1)}


CASES: dict[str, tuple[type[nn.Module], Callable[[int], Any], Loss]] = {
    "regression": (Regression, lambda s: (noise(5, 4, seed=s), noise(5, 3, seed=9), noise(5, 2)), regression),
    "language": (Language, tokens, language),
    "signal": (Signal, lambda s: noise(3, 2, 6, seed=s), energy),
    "volume": (Volume, lambda s: noise(3, 1, 3, 3, 3, seed=s), energy),
    "recurrent": (Recurrent, lambda s: noise(3, 5, 3, seed=s), energy),
}


def plain(model: nn.Module) -> nn.Module:
    """A copy as scores see it: batch statistics, no dropout."""
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._NormBase):
            module.train()
    return model


def by_autograd(model: nn.Module, loss: Callable[[nn.Module], Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """The weights and their gradients."""
    model = plain(model)
    weights = maskable(model)
    gradients = torch.autograd.grad(loss(model), list(weights.values()))
    return {name: (w.detach(), g) for (name, w), g in zip(weights.items(), gradients, strict=True)}


def hessian_products(model: nn.Module, loss: Callable[[nn.Module], Tensor]) -> dict[str, Tensor]:
    """theta H g, with attention by its formula."""
    model = plain(model)
    weights = maskable(model)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        gradients = torch.autograd.grad(loss(model), list(weights.values()), create_graph=True)
    half = sum((g.square().sum() for g in gradients), torch.zeros(())) / 2
    products = torch.autograd.grad(half, list(weights.values()))
    return {name: w.detach() * p for (name, w), p in zip(weights.items(), products, strict=True)}


@pytest.mark.parametrize("case", CASES)
def test_snip_by_autograd(case):
    kind, batch, loss = CASES[case]
    model = build(kind)
    found = compute_scores(["snip", "gradient"], model, batch(1), seed=0, loss=loss)
    expected = by_autograd(model, lambda copied: loss(copied, batch(1)))
    for name, (weight, gradient) in expected.items():
        torch.testing.assert_close(found["snip"][name], (weight * gradient).abs(), rtol=1e-10, atol=0)
        torch.testing.assert_close(found["gradient"][name], gradient.abs(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("case", [name for name in CASES if name != "volume"])
def test_several_batches_are_one(case):
    """Without batch statistics, the mean over batches of one size is that of their union."""
    kind, batch, loss = CASES[case]
    model = build(kind)
    parts = [batch(number) for number in range(3)]
    found = compute_scores(["snip", "grasp"], model, parts, seed=0, loss=loss)

    def mean(copied: nn.Module) -> Tensor:
        return torch.stack([loss(copied, part) for part in parts]).mean()

    expected = by_autograd(model, mean)
    products = hessian_products(model, mean)
    for name, (weight, gradient) in expected.items():
        torch.testing.assert_close(found["snip"][name], (weight * gradient).abs(), rtol=1e-9, atol=1e-15)
        torch.testing.assert_close(found["grasp"][name], products[name], rtol=1e-8, atol=1e-13)


def test_several_batches_with_labels_are_their_union():
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    inputs, labels = noise(8, 4), torch.arange(8) % 3
    parts = [(inputs[start : start + 2], labels[start : start + 2]) for start in range(0, 8, 2)]
    names = ["snip", "gradient", "grasp", "fisher", "synflow", "magnitude"]
    whole = compute_scores(names, model, (inputs, labels), seed=0)
    several = compute_scores(names, model, parts, seed=0)
    for score in names:
        for name, values in whole[score].items():
            torch.testing.assert_close(several[score][name], values, rtol=1e-10, atol=1e-18)


def test_labels_in_a_mapping():
    class Keywords(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, *, pixels: Tensor) -> Tensor:
            return self.layer(pixels)

    model, inputs, labels = build(Keywords), noise(6, 4), torch.arange(6) % 3
    names = ["snip", "grasp", "fisher"]
    found = compute_scores(names, model, {"pixels": inputs, "labels": labels}, seed=0)
    expected = compute_scores(names, model.layer, (inputs, labels), seed=0)
    for score in names:
        values = found[score]["layer.weight"]  # Fisher's samples run together here, one by one there
        torch.testing.assert_close(values, expected[score]["weight"], rtol=1e-12, atol=0)


def test_fisher_of_losses_of_samples():
    model = build(Regression)
    left, right, wanted = noise(5, 4), noise(5, 3), noise(5, 2)
    squares: dict[str, Tensor] = {}
    for number in range(5):
        one = tuple(part[number : number + 1] for part in (left, right, wanted))
        for name, (_, gradient) in by_autograd(
            model, lambda copied, one=one: regression(copied, one)
        ).items():
            squares[name] = squares.get(name, 0) + gradient.square() / 5

    def losses(model: nn.Module, batch: Any) -> Tensor:
        return (model(*batch[:2]) - batch[2]).square().mean(1)

    batches = [(left[:2], right[:2], wanted[:2]), (left[2:], right[2:], wanted[2:])]
    found = compute_scores(["fisher"], model, batches, seed=0, loss=regression, sample_losses=losses)
    for name, weight in maskable(model).items():
        expected = weight.detach().square() * squares[name]
        torch.testing.assert_close(found["fisher"][name], expected, rtol=1e-10, atol=0)


def test_the_loss_receives_the_module_itself():
    """Its attributes and methods work, also where it computes its loss itself."""
    model = build(Regression)
    model.loss = lambda batch: regression(model, batch)  # reads the module from outside
    batch = noise(5, 4), noise(5, 3), noise(5, 2)
    seen = []

    def loss(module: nn.Module, given: Any) -> Tensor:
        seen.append(module)
        return module.loss(given)

    found = compute_scores(["snip"], model, batch, seed=0, loss=loss)["snip"]
    assert seen == [model]
    expected = compute_scores(["snip"], model, batch, seed=0, loss=regression)["snip"]
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_loss_may_change_its_batch_and_the_modes():
    model = build(Regression)
    model.eval()
    batch = noise(5, 4), noise(5, 3), noise(5, 2)
    before = [part.clone() for part in batch]

    def loss(module: nn.Module, given: Any) -> Tensor:
        module.train()
        module.zero_grad()
        return regression(module, [part.mul_(2) for part in given])

    first = compute_scores(["snip", "grasp"], model, batch, seed=0, loss=loss)
    again = compute_scores(["snip", "grasp"], model, batch, seed=0, loss=loss)
    assert all(torch.equal(one, other) for one, other in zip(batch, before, strict=True))
    assert not model.training
    assert not model.head.training
    for score in first:
        assert all(torch.equal(value, again[score][name]) for name, value in first[score].items())


@pytest.mark.parametrize("score", ["snip", "grasp", "fisher"])
def test_recurrent_weights_keep_no_gradient(score):
    model = build(Recurrent)
    batch = noise(4, 5, 3), torch.tensor([0, 1, 0, 1])
    before = list(model.lstm._flat_weights)
    compute_scores([score], model, batch, seed=0)
    assert all(one is other for one, other in zip(model.lstm._flat_weights, before, strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "three entries": ("snip", {"batch": (noise(2, 4), noise(2, 4), noise(2))}, "batch 0 is a tuple of 3"),
    "a mapping without labels": ("snip", {"batch": {"pixels": noise(2, 4)}}, "a dict with pixels, not"),
    "a tensor": ("grasp", {"batch": noise(2, 4)}, "a tensor of shape (2, 4)"),
    "two tensors in a list": ("snip", {"batch": [noise(2, 4), noise(2, 4)]}, "batch 0 is"),
    "no batch": ("snip", {"batch": None}, "write batches="),
    "no example": ("synflow", {"batch": None}, "write example="),
    "no losses of samples": (
        "fisher",
        {"batch": noise(2, 4), "loss": energy},
        "needs the loss of each sample: write sample_losses",
    ),
    "a mean for samples": (
        "fisher",
        {"batch": noise(2, 4), "loss": energy, "sample_losses": energy},
        "sample_losses returns shape ()",
    ),
    "losses of samples": (
        "snip",
        {"batch": noise(2, 4), "loss": lambda model, batch: model(batch)},
        "loss returns a tensor of shape (2, 3)",
    ),
    "a number": ("snip", {"batch": noise(2, 4), "loss": lambda model, batch: 1.0}, "of type float"),
    "a detached loss": (
        "snip",
        {"batch": noise(2, 4), "loss": lambda model, batch: energy(model, batch).detach()},
        "does not depend on the weights",
    ),
    "an error": (
        "snip",
        {"batch": noise(2, 4), "loss": lambda model, batch: model(batch.labels)},
        "cannot be computed on this network",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_missing_is_one_line(case):
    score, given, words = WRONG[case]
    model = nn.Sequential(nn.Linear(4, 3)).double()
    with pytest.raises(InputError) as error:
        compute_scores([score], model, seed=0, **given)
    assert words in str(error.value)
    assert "write " in str(error.value)
    assert "\n" not in str(error.value)


def test_scores_without_data_need_no_batch():
    model = nn.Sequential(nn.Linear(4, 3)).double()
    compute_scores(["magnitude", "random"], model, None, seed=0)
    found = compute_scores(["synflow"], model, None, seed=0, example=torch.zeros(1, 4))
    assert torch.equal(found["synflow"]["0.weight"], model[0].weight.detach().abs())
