"""What a plugin's score returns is used as it is meant, or refused in one line before any mask is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from cops_core.contracts.base import failures
from cops_core.contracts.probes import same
from cops_core.contracts.scores import SCORE_CHECKS
from cops_core.errors import InputError
from cops_core.mask import flatten
from cops_core.scores import SCORES, Score, compute_scores
from cops_core.scores.base import Traits
from cops_core.scores.magnitude import MAGNITUDE
from cops_core.scores.problem import Problem
from cops_core.scores.snip import SNIP


@dataclass(frozen=True)
class Changed(Score):
    """Magnitude's values, changed before they are returned."""

    how: Callable[[dict[str, Any]], Any]

    @property
    def traits(self) -> Traits:
        return MAGNITUDE.traits

    def compute(self, problem: Problem) -> Any:
        return self.how(dict(MAGNITUDE.compute(problem)))


def each(how: Callable[[torch.Tensor], Any]) -> Callable[[Mapping[str, Any]], Any]:
    return lambda values: {name: how(value) for name, value in values.items()}


def views(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Layers that are parts of one tensor."""
    together = torch.cat([value.reshape(-1) for value in values.values()])
    parts = together.split([value.numel() for value in values.values()])
    return {name: part.view(v.shape) for part, (name, v) in zip(parts, values.items(), strict=True)}


MEANT = {
    "another order": lambda values: dict(reversed(values.items())),
    "views of one tensor": views,
    "half precision": each(lambda value: value.to(torch.bfloat16).float().to(torch.bfloat16)),
    "a graph": each(lambda value: value.clone().requires_grad_() * 1),
    "another layout in memory": each(lambda value: value.t().contiguous().t() if value.ndim == 2 else value),
}
WRONG = {
    "one more": (lambda values: {"first": torch.ones(5), **values}, "values of first"),
    "one missing": (lambda values: dict(list(values.items())[1:]), "no values of 0.weight"),
    "transposed": (each(torch.t), "shape (72, 5) for 1.weight"),
    "flat": (each(torch.flatten), "shape (360,) for 1.weight"),
    "a list": (lambda values: list(values.values()), "type list"),
    "nothing": (lambda values: None, "type NoneType"),
    "arrays": (each(lambda value: value.numpy()), "type ndarray for 0.weight"),
    "numbers": (each(lambda value: 1.0), "type float for 0.weight"),
    "integers": (each(lambda value: value.long()), "torch.int64 for 0.weight"),
    "booleans": (each(lambda value: value > 0), "torch.bool for 0.weight"),
    "complex": (each(lambda value: value + 0j), "torch.complex64 for 0.weight"),
    "sparse": (each(lambda value: value.reshape(-1).to_sparse()), "layout torch.sparse_coo for 0.weight"),
    "negative": (each(lambda value: -value), "negative in 0.weight"),
    "not finite": (each(lambda value: value * float("inf")), "not finite in 0.weight"),
}


@pytest.fixture
def scored(build, batch, monkeypatch):
    def compute(how: Callable[[dict[str, Any]], Any], name: str = "rectified") -> dict[str, torch.Tensor]:
        monkeypatch.setitem(SCORES, "changed", Changed(how))
        return compute_scores(["changed"], build(name), batch, seed=1)["changed"]

    return compute


@pytest.mark.parametrize("name", MEANT)
def test_what_is_meant_is_understood(scored, build, batch, name):
    found = scored(MEANT[name])
    expected = compute_scores(["magnitude"], build("rectified"), batch, seed=1)["magnitude"]
    assert list(found) == list(expected)
    tolerance = 0.01 if name == "half precision" else 0
    for layer, value in expected.items():
        assert torch.allclose(found[layer].float(), value, rtol=tolerance, atol=0)
        assert not found[layer].requires_grad
    assert len({value.untyped_storage().data_ptr() for value in found.values()}) == len(found)
    assert flatten(found).shape == flatten(expected).shape


def flat(model: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Flatten(), model)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_line(build, batch, monkeypatch, name):
    how, words = WRONG[name]
    monkeypatch.setitem(SCORES, "changed", Changed(how))
    model = flat(nn.Linear(72, 5)) if "1.weight" in words else build("rectified")
    with pytest.raises(InputError) as error:
        compute_scores(["changed"], model, batch, seed=1)
    message = str(error.value)
    assert message.startswith("score 'changed' ")
    assert words in message
    assert "write " in message or "check " in message
    assert "\n" not in message


def spoils_a_weight(problem: Problem) -> Mapping[str, torch.Tensor]:
    return {name: weight.abs_().clone() for name, weight in problem.network.weights.items()}


def spoils_the_images(problem: Problem) -> Mapping[str, torch.Tensor]:
    problem.images.mul_(2)
    return MAGNITUDE.compute(problem)


def spoils_the_gradient(problem: Problem) -> Mapping[str, torch.Tensor]:
    return {name: value.abs_().clone() for name, value in problem.gradient(SNIP.functional)[0].items()}


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (spoils_a_weight, "changes 0.weight, 4.weight in place"),
        (spoils_the_images, "changes the images in place"),
        (spoils_the_gradient, "changes the gradient of MeanCrossEntropy in 0.weight"),
    ],
)
def test_a_score_that_writes_into_what_it_reads_is_refused(build, batch, monkeypatch, compute, words):
    spoiler = Changed(lambda values: values)
    object.__setattr__(spoiler, "compute", compute)
    monkeypatch.setitem(SCORES, "spoiler", spoiler)
    with pytest.raises(InputError, match="score 'spoiler'") as error:
        compute_scores(["spoiler", "snip"], build("rectified"), batch, seed=1)
    assert words in str(error.value)


def test_a_network_that_changes_its_images_scores_like_one_that_does_not(build, batch):
    class InPlace(nn.Module):
        def forward(self, images):
            return images.mul_(2)

    class Plain(nn.Module):
        def forward(self, images):
            return images * 2

    names = ["snip", "grasp", "synflow", "fisher"]
    first, second = (
        compute_scores(names, nn.Sequential(part, *build("plain")), batch, seed=1)
        for part in (InPlace(), Plain())
    )
    assert same(first, second)


def test_a_broken_score_leaves_the_others_in_peace(monkeypatch):
    monkeypatch.setitem(SCORES, "good", Changed(lambda values: values))
    monkeypatch.setitem(SCORES, "broken", Changed(each(torch.t)))
    assert list(failures(SCORE_CHECKS, "good")) == []
    assert list(failures(SCORE_CHECKS, "broken"))
