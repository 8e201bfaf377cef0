"""Random problems against HiGHS on the whole linear program, written down here anew."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from cops_core.cops import solve_cops

KINDS = ("normal", "heavy", "ties", "zeros", "constant")


def draw_score(rng: np.random.Generator, kind: str, size: int) -> np.ndarray:
    if kind == "normal":
        return rng.normal(size=size)
    if kind == "heavy":
        return np.abs(rng.standard_cauchy(size)) * 10.0 ** rng.integers(-6, 6)
    if kind == "ties":
        return rng.integers(-2, 3, size=size).astype(float)
    if kind == "zeros":
        return np.where(rng.random(size) < 0.7, 0.0, rng.random(size))
    return np.full(size, 0.5)


@st.composite
def problems(draw, controls=(0, 4), size=200, with_floors=True):
    """target, controls, kappa, levels, layers, floors."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(1, size))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1 + controls[0], max_size=1 + controls[1]))
    scores = [draw_score(rng, kind, size) for kind in kinds]
    kappa = draw(st.integers(0, size))
    levels = [draw(st.sampled_from((0.0, 1.0, rng.random(), rng.random()))) for _ in kinds[1:]]
    layers, floors = None, None
    if with_floors and draw(st.booleans()):
        layers = rng.integers(0, 3, size=size)
        room = np.minimum(np.bincount(layers, minlength=3), kappa // 3)
        floors = rng.integers(0, room + 1)
    return scores[0], scores[1:], kappa, levels, layers, floors


TOLERANCE = 1e-10  # of HiGHS, for its rows, bounds and reduced costs alike


def highs(target, controls, kappa, levels, layers, floors):
    """The linear program as it stands in the paper, each score scaled to size one.

    Its status, its optimum, and how far its own tolerances may have moved that: each row and bound
    may be exceeded at its price, each of the kappa weights' reduced cost may have the wrong sign.
    """
    scales = [max(np.abs(score).max(), 1e-300) for score in controls]
    rows = [-score / scale for score, scale in zip(controls, scales, strict=True)]
    bounds = [-level / scale for level, scale in zip(levels, scales, strict=True)]
    if floors is not None:
        rows += [-(layers == layer).astype(float) for layer in range(len(floors))]
        bounds += [-float(floor) for floor in floors]
    scale = max(np.abs(target).max(), 1e-300)
    found = linprog(
        -target / scale,
        A_ub=np.array(rows) if rows else None,
        b_ub=bounds if rows else None,
        A_eq=np.ones((1, target.size)),
        b_eq=[kappa],
        bounds=(0, 1),
        method="highs",
        options={"primal_feasibility_tolerance": TOLERANCE, "dual_feasibility_tolerance": TOLERANCE},
    )
    if found.x is None:
        return found.status, None, None
    prices = (found.ineqlin, found.eqlin, found.lower, found.upper)
    price = sum(np.abs(kind.marginals).sum() for kind in prices)
    return found.status, -found.fun * scale, TOLERANCE * (price + kappa) * scale


def best(score, kappa, layers=None, floors=None):
    """The most that `kappa` weights can keep of a score: floors first, then the highest."""
    order = np.argsort(-score, kind="stable")
    keep = np.zeros(score.size, dtype=bool)
    for layer, floor in enumerate(() if floors is None else floors):
        keep[order[layers[order] == layer][:floor]] = True
    rest = order[~keep[order]]
    keep[rest[: kappa - keep.sum()]] = True
    return float(score[keep].sum())


def check(problem, shrink):
    target, controls, kappa, levels, layers, floors = problem
    found = solve_cops(target, controls, kappa, levels, shrink=shrink, layers=layers, floors=floors)
    assert int(found.mask.sum()) == kappa
    if floors is not None:
        assert (np.bincount(layers[found.mask], minlength=len(floors)) >= floors).all()
    assert found.value == pytest.approx(target[found.mask].sum(), rel=1e-12, abs=1e-12)
    for score, kept in zip(controls, found.controls, strict=True):
        assert kept == pytest.approx(score[found.mask].sum(), rel=1e-12, abs=1e-9 * np.abs(score).sum())
    status, optimum, error = highs(target, controls, kappa, found.levels, layers, floors)
    if found.status == "infeasible":
        assert status == 2
        combined = sum(price * score for price, score in zip(found.farkas, controls, strict=True))
        assert (found.farkas >= 0).all()
        assert best(combined, kappa, layers, floors) < found.farkas @ found.levels
        return found
    assert found.status == "optimal"
    size = np.abs(target).sum() + 1e-300
    rounding = 1e-9 * max(abs(found.dual_bound), np.abs(target).max())
    if status == 0:
        assert abs(found.dual_bound - optimum) <= rounding + error
    else:  # levels at the very edge: HiGHS may call them infeasible by rounding, a hair lower it may not
        lower = [
            level - 1e-9 * np.abs(score).sum() for level, score in zip(found.levels, controls, strict=True)
        ]
        status, optimum, error = highs(target, controls, kappa, lower, layers, floors)
        assert status == 0
        assert found.dual_bound <= optimum + rounding + error
    combined = target + sum(price * score for price, score in zip(found.multipliers, controls, strict=True))
    bound = best(combined, kappa, layers, floors) - found.multipliers @ found.levels
    weight = size + sum(p * np.abs(s).sum() for p, s in zip(found.multipliers, controls, strict=True))
    assert bound == pytest.approx(found.dual_bound, abs=1e-9 * weight)
    assert found.gap == pytest.approx(found.dual_bound - found.value, abs=1e-9 * weight)
    if len(controls) <= 1:
        assert (found.slacks >= -1e-12 * np.array([np.abs(score).sum() for score in controls])).all()
    elif floors is None and 0 < kappa < target.size:
        check_shortfall(found, controls, combined, weight)
    return found


def check_shortfall(found, controls, combined, weight):
    """J >= 2: control j falls short by at most floor((J + 1) / 2) times its range among the tied.

    The vertex's fractional weights are tied at the threshold: all that are tied bound their range.
    """
    tied = np.abs(combined - found.threshold) <= 1e-9 * weight
    for score, slack in zip(controls, found.slacks, strict=True):
        spread = float(np.ptp(score[tied])) if tied.any() else 0.0
        assert slack >= -((len(controls) + 1) // 2) * spread - 1e-9 * np.abs(score).sum()


@settings(deadline=None, max_examples=300)
@given(problems())
def test_the_optimum_is_that_of_the_linear_program(problem):
    check(problem, shrink=False)


@settings(deadline=None, max_examples=150)
@given(problems(controls=(2, 4)))
def test_shrinking_is_feasible_and_goes_no_further_than_it_must(problem):
    found = check(problem, shrink=True)
    target, controls, kappa, levels, layers, floors = problem
    assert 0 <= found.shrunk <= 1
    if found.shrunk < 1 - 1e-6:  # a little more would be infeasible
        more = [min(1.0, level * (found.shrunk + 1e-4)) for level in levels]
        assume(max(levels) > 1e-3)
        again = solve_cops(target, controls, kappa, more, layers=layers, floors=floors)
        assert again.status == "infeasible" or np.allclose(again.levels, found.levels, rtol=1e-3)


@pytest.mark.slow
@settings(deadline=None, max_examples=4_000)
@given(problems())
def test_four_thousand_problems(problem):
    check(problem, shrink=False)
