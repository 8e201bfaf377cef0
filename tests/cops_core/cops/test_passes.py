"""The parts that only large problems reach (samples, boxes, passes, sifting), on small problems.

What makes a problem large is set so low here that every part is used, and the answers are compared
with a slow solver that has none of them.
"""

import numpy as np
import pytest
import torch

from cops_core.cops import (
    bracket,
    cops_path,
    draw,
    narrow,
    numpy_store,
    sift,
    solve_cops,
    torch_store,
)
from cops_core.cops.exact import solve_exact
from cops_core.cops.problem import state_problem
from cops_core.cops.sums import condense, exact_sums, totals
from cops_core.cops.torch_store import TorchStore
from cops_core.errors import InputError

from .oracle import solve_plain

SIZES = {
    "tiny": {"whole": 20, "sampled": 60, "kept": 5, "few": 12, "stepping": 10, "chunk": 32},
    "small": {"whole": 200, "sampled": 400, "kept": 20, "few": 60, "stepping": 50, "chunk": 256},
}


@pytest.fixture(params=list(SIZES))
def limits(request, monkeypatch):
    sizes = SIZES[request.param]
    monkeypatch.setattr(draw, "WHOLE", (sizes["whole"], sizes["whole"]))
    monkeypatch.setattr(draw, "SAMPLED", sizes["sampled"])
    monkeypatch.setattr(draw, "KEPT", sizes["kept"])
    monkeypatch.setattr(narrow, "FEW", sizes["few"])
    monkeypatch.setattr(narrow, "STEPPING", sizes["stepping"])
    monkeypatch.setattr(sift, "FREE", sizes["few"])
    monkeypatch.setattr(bracket, "SMALL", sizes["few"])
    monkeypatch.setattr(numpy_store, "CHUNK", sizes["chunk"])
    monkeypatch.setattr(numpy_store, "BATCH", sizes["chunk"])
    monkeypatch.setattr(torch_store, "CHUNK", sizes["chunk"])
    return request.param


def draw_scores(rng, count, size):
    style = rng.integers(5)
    if style == 0:
        return np.exp(2 * rng.standard_normal((count, size)))
    if style == 1:
        return rng.integers(0, 4, (count, size)).astype(float)
    if style == 2:
        return rng.standard_normal((count, size))
    if style == 3:
        return np.where(rng.random((count, size)) < 0.5, 0.0, rng.standard_normal((count, size)))
    return rng.integers(-2, 3, (count, size)) + (rng.random((count, 1)) < 0.5) * rng.random((count, size))


def draw_problem(seed, largest, controls=None):
    """Positional arguments of solve_cops, shrink included."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, largest + 1))
    count = int(rng.integers(5)) if controls is None else controls
    scores = draw_scores(rng, count + 1, size)
    kappa = int(rng.integers(size + 1))
    levels = rng.choice([0.0, 0.1, 0.3, 0.5, 0.7, 1.0, rng.random()], count) * (1.0 if seed % 3 else 0.5)
    kind = "absolute" if (scores[1:] >= 0).all() and rng.random() < 0.3 else "relative"
    layers = floors = None
    if rng.random() < 0.4:
        layers = rng.integers(0, 3, size)
        floors = rng.integers(0, np.minimum(np.bincount(layers, minlength=3), kappa // 3) + 1)
    return scores[0], list(scores[1:]), kappa, levels, kind, bool(rng.integers(2)), layers, floors


def check(problem, solve=solve_cops):
    target, controls, kappa, levels, kind, shrink, layers, floors = problem
    stated = state_problem(target, controls, kappa, levels, kind, layers, floors)
    plain, found = solve_plain(stated, shrink), solve(*problem)
    mask = np.asarray(found.mask)
    assert int(mask.sum()) == kappa
    if plain.status == "iteration_limit":  # HiGHS gave up on the whole program
        assert found.status == "optimal"
        return
    assert found.status == plain.status
    size = max(1.0, abs(found.value))
    assert found.value == pytest.approx(target[mask].sum(), abs=1e-9 * size)
    assert found.controls == pytest.approx(np.array([c[mask].sum() for c in controls]), abs=1e-9 * size)
    if floors is not None:
        assert (np.bincount(layers[mask], minlength=3) >= floors).all()
    if len(controls) <= 1:
        assert found.value == pytest.approx(plain.value, rel=1e-9, abs=1e-9)
        assert (found.slacks >= 0).all()
    if found.status == "optimal":
        assert found.shrunk == pytest.approx(plain.shrunk, abs=1e-7)
        precision = 1e-9 if plain.shrunk == 1 else 1e-6  # on the edge of the feasible, levels are rounded
        assert abs(found.dual_bound - plain.dual_bound) <= precision * max(1.0, abs(plain.dual_bound))
    if found.status == "infeasible":
        combined = np.sum([price * c for price, c in zip(found.farkas, controls, strict=True)], axis=0)
        best = stated_best(combined, kappa, layers, floors)
        assert best < found.farkas @ found.levels


def stated_best(score, kappa, layers, floors):
    return solve_cops(score, [], kappa, [], layers=layers, floors=floors).value


@pytest.mark.parametrize("block", range(4))
def test_every_part_agrees_with_the_plain_solver(limits, block):
    for seed in range(12 * block, 12 * block + 12):
        check(draw_problem(seed, 200 if limits == "tiny" else 800))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_thousands_of_problems_agree_with_the_plain_solver(limits, block):
    for seed in range(100 * block, 100 * block + 100):
        check(draw_problem(seed, 200 if limits == "tiny" else 2500))


def test_tensors_on_a_device_take_the_same_way(limits):
    def on_device(target, controls, kappa, levels, kind, shrink, layers, floors):
        problem = state_problem(target, controls, kappa, levels, kind, layers, floors)
        tensors = [torch.from_numpy(score) for score in (target, *controls)]
        return solve_exact(TorchStore(problem, tensors), shrink)

    for seed in range(100, 112):
        check(draw_problem(seed, 300), on_device)


@pytest.mark.gpu
def test_cuda_gives_what_main_memory_gives():
    rng = np.random.default_rng(0)
    scores = np.exp(2 * rng.standard_normal((3, 1_000_000))).astype(np.float32)
    plain = solve_cops(scores[0], list(scores[1:]), 10_000, [0.3, 0.3])
    moved = [torch.from_numpy(score).cuda() for score in scores]
    found = solve_cops(moved[0], moved[1:], 10_000, [0.3, 0.3])
    assert found.mask.device == moved[0].device
    assert (found.mask.cpu().numpy() == plain.mask).all()
    assert found.dual_bound == pytest.approx(plain.dual_bound, rel=1e-12)


@pytest.mark.parametrize("controls", [1, 2])
def test_a_path_says_what_single_solves_say(limits, controls):
    target, others, kappa, *_, layers, floors = draw_problem(5, 400, controls)
    grid = np.linspace(0, 1, 5)
    path = cops_path(target, others, kappa, grid, shrink=True, layers=layers, floors=floors)
    assert path.grid.shape == path.controls.shape == (5, controls)
    for number, level in enumerate(grid):
        levels = [level] * controls
        one = solve_cops(target, others, kappa, levels, shrink=True, layers=layers, floors=floors)
        assert path.statuses[number] == one.status
        assert path.dual_bounds[number] == pytest.approx(one.dual_bound, rel=1e-6, abs=1e-9)
        assert path.levels[number] == pytest.approx(one.levels, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("grid", "words"),
    [([], "grid has shape"), ([[0.1, 0.2]], "grid has shape"), ("a", "not consist of numbers")],
)
def test_a_wrong_grid_is_one_line(grid, words):
    with pytest.raises(InputError, match=words):
        cops_path(np.ones(3), [np.ones(3)], 1, grid)


def test_a_path_of_prices_is_refused():
    with pytest.raises(InputError, match="has no levels"):
        cops_path(np.ones(3), [np.ones(3)], 1, [0.5], kind="price")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_bad_value_among_many_is_found(bad, dtype):
    rng = np.random.default_rng(0)
    scores = rng.random((2, 300_000)).astype(dtype)
    scores[1, 123_456] = bad
    with pytest.raises(InputError, match="control 1 has NaN or infinite"):
        solve_cops(scores[0], [scores[1]], 3000, [0.3])


@pytest.mark.parametrize("density", [1e-5, 0.001, 0.5, 0.999, 0.99999])
@pytest.mark.parametrize("signed", [False, True])
def test_any_density(density, signed):
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((2, 200_000)) ** 3
    scores = scores if signed else np.abs(scores)
    found = solve_cops(scores[0], [scores[1]], round(density * 200_000), [0.4])
    assert found.status == "optimal"
    combined = np.sort(scores[0] + found.multipliers[0] * scores[1])[::-1]
    bound = combined[: found.mask.sum()].sum() - found.multipliers[0] * found.levels[0]
    assert found.dual_bound == pytest.approx(bound, rel=1e-9)
    assert found.slacks[0] >= 0
    assert found.gap == pytest.approx(found.multipliers[0] * found.slacks[0], rel=1e-9, abs=1e-9 * abs(bound))


def test_sums_do_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2, 10_001)) * 10.0 ** rng.integers(-12, 12, (2, 10_001))
    whole = totals(np.zeros((2, 2)), rows)
    shuffled = rows[:, rng.permutation(rows.shape[1])]
    parts = exact_sums([condense(part) for part in np.array_split(shuffled[:, :7000], 9, axis=1)])
    assert (totals(parts, shuffled[:, 7000:]) == whole).all()
