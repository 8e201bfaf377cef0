import numpy as np
import pytest

from cops_core.compare import LEVELS, kept_scores, price_of_control
from cops_core.cops import solve_cops
from cops_core.mask import top_kappa


def test_by_hand():
    """From the mask of weights 0 1 (target 16, control 1) by 0 2 (13, 4) to 2 3 (3, 9)."""
    target, control = np.array([10.0, 6, 3, 0]), np.array([0.0, 1, 4, 5])
    price = price_of_control(target, control, 2, levels=(0.0, 0.25, 0.375, 1.0))
    assert price.targets.tolist() == [16, 13, 13, 3]
    assert price.controls.tolist() == [1, 4, 4, 9]
    assert price.target_kept == pytest.approx([1, 10 / 13, 10 / 13, 0])
    assert price.control_kept.tolist() == [0, 0.375, 0.375, 1]
    assert price.chance == 9.5
    assert price.target_above_chance == pytest.approx([1, 3.5 / 6.5, 3.5 / 6.5, -1])
    # At level 0.25 weight 1 gives way to weight 2: the target loses 3 where the control gains 3.
    assert price.multipliers[1] == 1
    assert price.relative_multipliers[1] == pytest.approx((3 / 13) / (3 / 8))


@pytest.fixture(params=[0, 1, 2])
def scores(request):
    draws = np.random.default_rng(request.param)
    target = draws.normal(size=300) ** 2
    return target, target * draws.random(300) - (0.2 if request.param == 2 else 0.0)


def test_every_point_is_what_the_solver_says(scores):
    target, control = scores
    price = price_of_control(target, control, 30)
    assert price.levels.tolist() == list(LEVELS)
    for point, level in enumerate(LEVELS):
        solution = solve_cops(target, [control], 30, [level])
        assert price.targets[point] == pytest.approx(solution.value, rel=1e-12)
        assert price.controls[point] == pytest.approx(solution.controls[0], rel=1e-12)


def test_the_ends_are_the_masks_of_the_two_scores(scores):
    target, control = scores
    price = price_of_control(target, control, 30)
    kept = kept_scores([target, control], [top_kappa(score, 30) for score in scores])
    assert price.target_above_chance[[0, -1]] == pytest.approx(kept.above_chance[:, 0])
    assert price.controls[[0, -1]] == pytest.approx(kept.values[:, 1])
    assert (price.target_kept[0], price.target_kept[-1]) == (1, 0)
    assert (price.control_kept[0], price.control_kept[-1]) == (0, 1)


def test_control_rises_at_the_targets_cost(scores):
    price = price_of_control(*scores, 30)
    assert np.all(price.control_kept >= price.levels - 1e-12)
    assert np.all(np.diff(price.target_kept) <= 1e-12)
    assert set(price.statuses) == {"optimal"}


def test_the_multiplier_is_the_slope():
    draws = np.random.default_rng(4)
    target, control = draws.random(20_000), draws.random(20_000)
    price = price_of_control(target, control, 2_000, levels=np.linspace(0, 1, 21))
    slopes = -np.diff(price.target_kept) / np.diff(price.control_kept)
    assert np.all(slopes[:-1] >= price.relative_multipliers[:-2] * 0.98)
    assert np.all(slopes[:-1] <= price.relative_multipliers[1:-1] * 1.02)


def test_the_measures_know_no_scale(scores):
    target, control = scores
    one, other = price_of_control(target, control, 30), price_of_control(8 * target, control / 4, 30)
    for name in ("target_kept", "control_kept", "relative_multipliers", "target_above_chance"):
        assert getattr(other, name)[:-1] == pytest.approx(getattr(one, name)[:-1]), name


def test_a_score_costs_itself_nothing():
    score = np.random.default_rng(0).random(50)
    price = price_of_control(score, 2 * score, 5)
    assert np.isnan(price.target_kept).all()  # the target has no range: nothing is ever lost
    assert np.isnan(price.control_kept).all()
    assert np.isnan(price.relative_multipliers).all()
    assert price.target_above_chance.tolist() == [1] * len(LEVELS)


def test_a_mask_that_keeps_everything_has_no_price():
    price = price_of_control(np.array([0.1, 0.2, 0.7]), np.array([0.3, 0.1, 0.1]), 3)
    assert np.isnan(price.target_above_chance).all()
    assert np.isnan(price.target_kept).all()
