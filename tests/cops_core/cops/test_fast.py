"""What makes the solver fast must not change its results: bounds, selection by a sample, a start."""

import numpy as np
import pytest

from cops_core.cops import solve_cops
from cops_core.cops.eligible import find_eligibility
from cops_core.cops.selection import kth_highest
from cops_core.errors import InputError
from cops_core.order_statistic import FEW


def scores_of(seed, count, size):
    rng = np.random.default_rng(seed)
    heavy = rng.pareto(1, (count, size)) if seed % 2 else rng.standard_cauchy((count, size))
    return np.round(heavy) if seed % 3 == 0 else heavy


@pytest.mark.parametrize("seed", range(12))
def test_selection_by_a_sample_is_exact(seed):
    values = scores_of(seed, 1, FEW + 1 + 500 * seed)[0]
    if seed % 4 == 0:
        values = np.sort(values)  # the regular sample is then as good as possible
    if seed % 4 == 1:
        values = np.where(np.arange(values.size) % 9 < 2, values, -1e9)  # and here it misleads
    descending = np.sort(values)[::-1]
    for rank in (1, 2, values.size // 100, values.size // 2, values.size - 1, values.size):
        assert kth_highest(values, rank) == descending[rank - 1]


@pytest.mark.parametrize("seed", range(8))
def test_weights_beyond_the_bounds_are_never_kept(seed):
    scores = scores_of(seed, 2, 4000)
    bounds = find_eligibility(list(scores), 60)
    left_out = ~bounds.marks(scores)
    assert left_out.mean() > 0.8
    assert min(bounds.counts(scores)) >= 60
    for price in (0.0, *np.logspace(-6, 6, 40), np.inf):
        combined = scores[1] if np.isinf(price) else scores[0] + price * scores[1]
        assert combined[left_out].max() < np.sort(combined)[-60]


@pytest.mark.parametrize("size", [900, 20_000, 130_000])
@pytest.mark.parametrize("density", [0.02, 0.95])
def test_a_start_changes_no_result(size, density):
    target, control = scores_of(1, 2, size)
    kappa = round(density * size)
    plain = solve_cops(target, [control], kappa, 0.3)
    for factor in (0.0, 1e-9, 0.8, 1.0, 1.3, 1e9):
        found = solve_cops(target, [control], kappa, 0.3, start=factor * plain.multipliers)
        assert (found.mask == plain.mask).all()
        assert found.multipliers == pytest.approx(plain.multipliers, rel=1e-9)
        assert found.dual_bound == pytest.approx(plain.dual_bound, rel=1e-12)


@pytest.mark.parametrize("start", [[1.0, 2.0], [-1.0], [np.inf], "a"])
def test_a_wrong_start_is_one_line(start):
    with pytest.raises(InputError, match="start"):
        solve_cops(np.ones(3), [np.ones(3)], 1, 0.5, start=start)


def test_large_scores_do_not_leave_everything_undecided():
    scores = np.random.default_rng(4).pareto(1, (2, 430_500)).astype(np.float32)
    found = solve_cops(scores[0], [scores[1]], 4305, 0.3)
    combined = np.sort(scores[0].astype(float) + found.multipliers[0] * scores[1].astype(float))[::-1]
    assert found.passes == 1
    assert found.slacks[0] >= 0
    bound = combined[:4305].sum() - found.multipliers[0] * found.levels[0]
    assert found.dual_bound == pytest.approx(bound, rel=1e-12)
