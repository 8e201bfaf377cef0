"""A mask that is proved near a known multiplier is the one that the solver returns, bit for bit."""

import itertools
from decimal import Decimal

import numpy as np
import pytest
import torch

from cops_core import combine, iterate
from cops_core.config import Control, Selection
from cops_core.cops import near, solve_cops
from cops_core.cops.near import mask_near
from cops_core.groups import groups_of
from cops_core.initialization import initialize
from cops_core.models import build_model
from cops_core.scoring import Scorer

SCORES = {
    "heavy tails": lambda rng, size: rng.pareto(1, size),
    "both signs": lambda rng, size: rng.standard_normal(size),
    "float32": lambda rng, size: np.abs(rng.standard_normal(size)).astype(np.float32),
    "ties": lambda rng, size: np.round(3 * rng.pareto(1, size)),
    "many zeros": lambda rng, size: np.where(rng.random(size) < 0.3, 0, rng.pareto(1, size)),
    "almost equal": lambda rng, size: 1 + 1e-12 * np.round(100 * rng.standard_normal(size)),
    "extreme": lambda rng, size: rng.standard_cauchy(size) * 10.0 ** rng.integers(-150, 150),
}
OFTEN = {"heavy tails", "both signs", "float32", "many zeros", "extreme"}


@pytest.mark.parametrize("kind", SCORES)
def test_a_proved_mask_is_the_solvers(kind):
    rng, proofs = np.random.default_rng(len(kind)), 0
    for number in range(60):
        size = int(rng.choice([2, 5, 40, 300, 3000]))
        target, control = (SCORES[kind](rng, size) for _ in range(2))
        if number % 6 == 0:
            control = 2 * target  # no trade-off
        if number % 6 == 1:
            target[rng.random(size) < 0.5] = target[0]
        kappa, level = int(rng.integers(0, size + 1)), float(rng.choice([0, 0.3, 0.7, 1]))
        solved = solve_cops(target, [control], kappa, level)
        start = float(solved.multipliers[0] * rng.choice([0.03, 0.7, 1, 1.1, 20])) or 1.0
        found = mask_near(target, control, kappa, level, start)
        if found is not None:
            proofs += 1
            assert (found.keep == solved.mask).all()
            assert found.multiplier == pytest.approx(solved.multipliers[0], rel=1e-9)
    assert proofs >= (8 if kind in OFTEN else 0)


@pytest.mark.parametrize("density", [0.05, 0.96])
def test_of_many_weights_with_float32_beside_float64(density):
    rng = np.random.default_rng(3)
    target, control = rng.pareto(1, 120_000), rng.pareto(1, 120_000).astype(np.float32)
    kappa = round(density * target.size)
    solved = solve_cops(target, [control], kappa, 0.3)
    found = mask_near(target, control, kappa, 0.3, 0.9 * float(solved.multipliers[0]))
    assert found is not None
    assert (found.keep == solved.mask).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1])
def test_wrong_values_are_left_to_the_solver(wrong, place):
    scores = np.random.default_rng(0).pareto(1, (2, 500))
    scores[place, 7] = wrong
    assert mask_near(*scores, 50, 0.3, 1.0) is None


def test_a_wrong_guess_proves_nothing(monkeypatch):
    target, control = np.random.default_rng(0).pareto(1, (2, 40))
    solved = solve_cops(target, [control], 10, 0.3)
    order = np.argsort(control)
    proofs = 0
    for low, high in itertools.combinations(order.tolist(), 2):
        monkeypatch.setattr(near._Problem, "pair", lambda *_, low=low, high=high: (low, high))
        found = mask_near(target, control, 10, 0.3, 1.0)
        proofs += found is not None
        assert found is None or (found.keep == solved.mask).all()
    assert proofs == 1


def rounds(**fields):
    shape = (1, 4, 4)
    model = build_model("lenet_300_100", shape, 10)
    scorer = Scorer(model, 0, initialize(model, 0))
    generator = torch.Generator().manual_seed(0)
    batch = torch.randn((50, *shape), generator=generator), torch.arange(50) % 10
    controls = (Control(score="snip", level=0.3),)
    selection = Selection(target="synflow", controls=controls, rounds=8, **fields)
    groups = groups_of(scorer, selection, Decimal("0.02"))
    return iterate.run_rounds(scorer, [batch], selection, groups, priced=False)


@pytest.mark.parametrize(
    "fields", [{}, {"scope": "layer"}, {"schedule": "linear"}, {"revive": True}], ids=str
)
def test_rounds_with_it_are_rounds_without_it(fields, monkeypatch):
    answers = []
    monkeypatch.setattr(combine, "mask_near", lambda *a: answers.append(mask_near(*a)) or answers[-1])
    quick = rounds(**fields)
    monkeypatch.setattr(combine, "mask_near", lambda *a: None)
    slow = rounds(**fields)
    assert sum(answer is not None for answer in answers) > len(answers) // 2
    assert all(torch.equal(quick.mask[name], slow.mask[name]) for name in slow.mask)
    assert quick.kappas == slow.kappas
    for group, solution in slow.solutions.items():
        assert quick.solutions[group].multipliers == pytest.approx(solution.multipliers, rel=1e-9)
        assert quick.solutions[group].value == solution.value
