"""Every registered score keeps the contract, and each check fails on a score that breaks it."""

import inspect
import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pytest
from torch import Tensor, nn

import cops_core.scores
from cops_core.contracts.base import Check, failures
from cops_core.contracts.networks import NETWORKS
from cops_core.contracts.probes import same
from cops_core.contracts.scores import GPU_CHECKS, SCORE_CHECKS
from cops_core.scores import SCORES, Score, compute_scores

from .wrong import WRONG


def tried(checks: tuple[Check, ...]) -> list[Any]:
    """Each check on each of its cases, named so."""
    return [
        pytest.param(check, case, id="-".join([check.name, *map(str, case)]))
        for check in checks
        for case in check.cases
    ]


@pytest.fixture(params=SCORES)
def score(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize(("check", "case"), tried(SCORE_CHECKS))
def test_contract(score, check, case):
    check.run(score, case)


@pytest.mark.gpu
@pytest.mark.parametrize(("check", "case"), tried(GPU_CHECKS))
def test_contract_on_the_gpu(score, check, case):
    check.run(score, case)


def test_every_check_says_what_must_hold():
    for check in (*SCORE_CHECKS, *GPU_CHECKS):
        assert check.condition.endswith(".")
        assert "\n" not in check.condition


def test_the_networks_have_what_the_checks_are_about():
    built = {name: list(build().modules()) for name, build in NETWORKS.items()}
    for kind, names in {
        nn.BatchNorm2d: {"batch_norm", "residual"},
        nn.Dropout: {"dropout"},
        nn.AdaptiveAvgPool2d: {"residual"},
        nn.Identity: {"residual"},
        nn.ReLU: {"rectified", "dropout"},
    }.items():
        assert {name for name, modules in built.items() if any(type(m) is kind for m in modules)} == names


@pytest.mark.parametrize("name", WRONG)
def test_a_score_that_breaks_a_promise_fails_its_check(name, monkeypatch):
    wrong, check, words = WRONG[name]
    monkeypatch.setitem(SCORES, "wrong", wrong)
    (named,) = (each for each in SCORE_CHECKS if each.name == check)
    (line,) = failures([named], "wrong")
    assert line.startswith(check)
    assert words in line
    assert "\n" not in line


def test_no_promise_goes_unbroken():
    assert {check for _, check, _ in WRONG.values()} == {check.name for check in SCORE_CHECKS}


def unregistered(package: Any, registry: Mapping[str, Score]) -> list[str]:
    """Scores that exist in the modules of `package` but not in `registry`."""
    known = list(registry.values())
    classes = {type(score) for score in known}
    missing = []
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = import_module(info.name)
        for name, member in vars(module).items():
            if isinstance(member, Score) and not any(member is score for score in known):
                missing.append(f"{info.name}.{name}")
            own = inspect.isclass(member) and member.__module__ == info.name and issubclass(member, Score)
            if own and not inspect.isabstract(member) and member not in classes:
                missing.append(f"{info.name}.{name}")
    return missing


def test_every_score_in_the_package_is_registered():
    assert unregistered(cops_core.scores, SCORES) == []


def test_the_walk_sees_a_missing_score(score):
    registry = {name: member for name, member in SCORES.items() if name != score}
    assert any(
        name.startswith(f"cops_core.scores.{score}.") for name in unregistered(cops_core.scores, registry)
    )


def test_seed_changes_the_random_score_alone(build, batch):
    one, two = (compute_scores(SCORES, build("dropout"), batch, seed=seed) for seed in (1, 2))
    assert [name for name in SCORES if not same(one[name], two[name])] == ["random"]


class AlwaysDropping(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.dropout(images, 0.5, training=True)


def test_a_layer_that_always_draws_draws_from_the_seed(build, batch):
    model = nn.Sequential(AlwaysDropping(), build("rectified"))
    names = ["snip", "grasp", "fisher"]
    first, again, other = (compute_scores(names, model, batch, seed=seed) for seed in (1, 1, 2))
    assert same(first, again)
    assert not any(same(first[name], other[name]) for name in names)


def test_uniform(build, batch):
    model = nn.Linear(72, 200)
    values = compute_scores(["random"], nn.Sequential(nn.Flatten(), model), batch, seed=1)["random"][
        "1.weight"
    ]
    assert 0 <= values.min() < 0.001
    assert 0.999 < values.max() < 1
    assert abs(values.mean() - 0.5) < 0.01
