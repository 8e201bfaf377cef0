"""What must hold for every problem, whatever its numbers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cops_core.cops import solve_cops
from cops_core.mask import top_kappa

seeds = st.integers(0, 2**32 - 1)
powers = st.integers(-30, 30)


def problem(seed, controls=1, size=150):
    """Heavy-tailed scores without ties, as they come from a network."""
    rng = np.random.default_rng(seed)
    scores = rng.standard_cauchy((controls + 1, size))
    return np.abs(scores[0]), [np.abs(score) for score in scores[1:]], int(rng.integers(1, size)), rng


@settings(deadline=None, max_examples=60)
@given(seeds, powers, powers)
def test_scaling_scales_the_optimum_by_the_target_alone(seed, one, other):
    target, (control,), kappa, rng = problem(seed)
    level = rng.random()
    plain = solve_cops(target, [control], kappa, [level])
    scaled = solve_cops(target * 2.0**one, [control * 2.0**other], kappa, [level])
    assert (scaled.mask == plain.mask).all()
    assert scaled.dual_bound == pytest.approx(plain.dual_bound * 2.0**one, rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_the_order_of_the_weights_does_not_matter(seed):
    target, controls, kappa, rng = problem(seed, controls=2)
    levels, order = rng.random(2) * 0.5, rng.permutation(target.size)
    plain = solve_cops(target, controls, kappa, levels, shrink=True)
    moved = solve_cops(target[order], [c[order] for c in controls], kappa, levels, shrink=True)
    assert moved.dual_bound == pytest.approx(plain.dual_bound, rel=1e-9)
    assert (moved.mask == plain.mask[order]).all()


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_level_zero_is_the_targets_mask_and_level_one_the_controls(seed):
    target, (control,), kappa, _ = problem(seed)
    assert (solve_cops(target, [control], kappa, [0.0]).mask == top_kappa(target, kappa)).all()
    assert (solve_cops(target, [control], kappa, [1.0]).mask == top_kappa(control, kappa)).all()
    assert (solve_cops(target, [], kappa, []).mask == top_kappa(target, kappa)).all()


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_a_higher_level_costs_target_and_keeps_more_control(seed):
    target, (control,), kappa, _ = problem(seed)
    found = [solve_cops(target, [control], kappa, [level]) for level in np.linspace(0, 1, 9)]
    assert all(b.levels[0] >= a.levels[0] for a, b in pairwise(found))
    assert all(b.dual_bound <= a.dual_bound * (1 + 1e-12) for a, b in pairwise(found))
    assert all(b.multipliers[0] >= a.multipliers[0] * (1 - 1e-9) for a, b in pairwise(found))


@settings(deadline=None, max_examples=60)
@given(seeds)
def test_a_control_given_twice_changes_nothing(seed):
    target, (control,), kappa, rng = problem(seed)
    level = rng.random()
    once = solve_cops(target, [control], kappa, [level])
    twice = solve_cops(target, [control, control], kappa, [level, level])
    assert twice.dual_bound == pytest.approx(once.dual_bound, rel=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("controls", [1, 2])
@pytest.mark.parametrize("zeros", [0.0, 0.9])
def test_large_problems_are_proved_on_the_full_data(dtype, controls, zeros):
    rng = np.random.default_rng(7)
    scores = np.abs(rng.standard_normal((controls + 1, 1_000_000))) ** 3
    scores[rng.random(scores.shape) < zeros] = 0.0
    scores = scores.astype(dtype)
    kappa = 10_000
    found = solve_cops(scores[0], list(scores[1:]), kappa, [0.3] * controls, shrink=True)
    assert (found.status, int(found.mask.sum())) == ("optimal", kappa)
    exact = scores.astype(np.float64)
    combined = exact[0] + found.multipliers @ exact[1:]
    bound = np.partition(combined, -kappa)[-kappa:].sum() - found.multipliers @ found.levels
    assert found.dual_bound == pytest.approx(bound, rel=1e-12)
    assert 0 <= found.dual_bound - exact[0][found.mask].sum() <= 1e-4 * bound
    kept = [score[found.mask].sum() for score in exact[1:]]
    assert all(k >= level * (1 - 1e-4) for k, level in zip(kept, found.levels, strict=True))
