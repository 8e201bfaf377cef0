"""Problems of four numbers, solved on paper."""

import numpy as np
import pytest
import torch

from cops_core.cops import solve_cops
from cops_core.errors import InputError

TARGET = np.array([4.0, 3.0, 2.0, 1.0])
CONTROL = np.array([0.0, 1.0, 2.0, 5.0])


def kept(solution):
    return np.flatnonzero(np.asarray(solution.mask)).tolist()


def test_no_control_keeps_the_highest():
    solution = solve_cops(np.array([1.0, 3.0, 3.0, 3.0]), [], 2, [])
    assert kept(solution) == [1, 2]
    assert (solution.value, solution.dual_bound, solution.gap, solution.threshold) == (6.0, 6.0, 0.0, 3.0)


def test_half_the_way_to_the_controls_best():
    # a = 0 + 1 = 1, b = 2 + 5 = 7, c = 4. Exchanging the worst weight 1 for 3 costs the target 2 and
    # brings 4 of the control: price 1/2. LP: 7 - (4 - 1)/2 = 5.5; the mask {0, 3} keeps 5 and 5.
    solution = solve_cops(TARGET, [CONTROL], 2, [0.5])
    assert kept(solution) == [0, 3]
    assert solution.levels.tolist() == [4.0]
    assert solution.multipliers == pytest.approx([0.5])
    assert solution.dual_bound == pytest.approx(5.5)
    assert (solution.value, solution.controls.tolist(), solution.slacks.tolist()) == (5.0, [5.0], [1.0])
    assert solution.gap == pytest.approx(0.5)
    assert solution.threshold == pytest.approx(3.5)
    assert solution.status == "optimal"
    assert solution.shrunk == 1.0
    assert solution.farkas is None


@pytest.mark.parametrize(("alpha", "mask"), [(0.0, [0, 1]), (1.0, [2, 3])])
def test_the_ends_are_the_single_scores(alpha, mask):
    assert kept(solve_cops(TARGET, [CONTROL], 2, [alpha])) == mask


def test_absolute_level():
    # b = 7, c = 0.2 * 7 = 1.4 > 1: the same exchange, LP 7 - 0.4 / 2.
    solution = solve_cops(TARGET, [CONTROL], 2, [0.2], kind="absolute")
    assert solution.levels == pytest.approx([1.4])
    assert solution.dual_bound == pytest.approx(6.8)
    assert kept(solution) == [0, 3]


def test_price():
    # Normalised: target / 10, control / 8. With price 1 the scores are .4 .425 .45 .725.
    solution = solve_cops(TARGET, [CONTROL], 2, [1.0], kind="price")
    assert kept(solution) == [2, 3]
    assert solution.multipliers == pytest.approx([10 / 8])
    assert solution.gap == 0.0
    assert solution.levels.tolist() == solution.controls.tolist() == [7.0]


def test_ties_of_the_target_go_to_the_control_then_to_the_index():
    target = np.array([1.0, 1.0, 1.0, 1.0])
    assert kept(solve_cops(target, [np.array([0.0, 2.0, 0.0, 2.0])], 2, [0.0])) == [1, 3]
    assert kept(solve_cops(target, [np.array([5.0, 0.0, 0.0, 0.0])], 2, [0.0])) == [0, 1]


def test_the_fewest_swaps_of_a_tie():
    # At price 1 all four are tied at 5; two places. c = a + alpha (b - a) = 1 + 0.5 * 6 = 4:
    # the lowest two keep 1, one swap {0, 3} keeps 4: enough.
    target = np.array([5.0, 4.0, 2.0, 1.0])
    solution = solve_cops(target, [np.array([0.0, 1.0, 3.0, 4.0])], 2, [0.5])
    assert kept(solution) == [0, 3]
    assert solution.gap == pytest.approx(0.0)


def test_two_controls_pull_apart():
    # Controls want 2 and 3, the target 0 and 1: c = (1/2, 1/2) is met by halves of 2 and 3 in the LP.
    controls = [np.array([0.0, 0.0, 1.0, 0.0]), np.array([0.0, 0.0, 0.0, 1.0])]
    solution = solve_cops(np.array([4.0, 3.0, 0.0, 0.0]), controls, 2, [0.5, 0.5])
    assert solution.dual_bound == pytest.approx(4.0)
    assert solution.mask.sum() == 2


def test_infeasible_levels_and_how_far_they_shrink():
    # One place, two controls that each want it for themselves: half of each is all there is.
    target, controls = np.array([1.0, 0.0, 0.0]), [np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])]
    solution = solve_cops(target, controls, 1, [1.0, 1.0])
    assert solution.status == "infeasible"
    combined = solution.farkas @ np.array(controls)
    assert combined.max() < solution.farkas @ solution.levels
    assert kept(solution) == [0]
    assert solution.dual_bound == -np.inf
    shrunk = solve_cops(target, controls, 1, [1.0, 1.0], shrink=True)
    assert shrunk.status == "optimal"
    assert shrunk.shrunk == pytest.approx(0.5)
    assert shrunk.levels == pytest.approx([0.5, 0.5])


def test_a_floor_keeps_a_layer_alive():
    layers, floors = np.array([0, 0, 1, 1]), [0, 1]
    solution = solve_cops(TARGET, [], 2, [], layers=layers, floors=floors)
    assert kept(solution) == [0, 2]
    assert solution.threshold == 4.0


def test_one_weight_none_and_all():
    one = np.array([3.0])
    assert kept(solve_cops(one, [one], 1, [0.3])) == [0]
    none = solve_cops(TARGET, [CONTROL], 0, [0.5])
    assert (kept(none), none.value, none.gap, none.threshold) == ([], 0.0, 0.0, np.inf)
    everything = solve_cops(TARGET, [CONTROL], 4, [0.5])
    assert (kept(everything), everything.value, everything.gap) == ([0, 1, 2, 3], 10.0, 0.0)


def test_tensors_give_a_tensor():
    solution = solve_cops(torch.tensor(TARGET, dtype=torch.float32), [torch.tensor(CONTROL)], 2, [0.5])
    assert solution.mask.dtype == torch.bool
    assert kept(solution) == [0, 3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"controls": [np.array([0.0, np.nan, 1.0, 1.0])]}, "control 1 has NaN"),
        ({"target": np.array([0.0, np.inf, 1.0, 1.0])}, "target has NaN or infinite"),
        ({"controls": [-CONTROL], "kind": "absolute"}, "control 1 has negative values"),
        ({"controls": [CONTROL[:3]]}, "control 1 has 3 weights"),
        ({"controls": [CONTROL[None]]}, "control 1 has shape"),
        ({"controls": [CONTROL.astype(int)]}, "control 1 has type int64"),
        ({"controls": [CONTROL.tolist()]}, "control 1 is of type list"),
        ({"controls": [torch.tensor(CONTROL)]}, "mix numpy and torch"),
        ({"target": np.zeros(0), "controls": []}, "target has shape"),
        ({"kappa": 5}, "kappa 5 is not"),
        ({"kappa": -1}, "kappa -1 is not"),
        ({"kappa": 1.5}, "kappa 1.5 is not"),
        ({"levels": [1.5]}, "level 1.5 of control 1"),
        ({"levels": [float("nan")]}, "level nan of control 1"),
        ({"levels": []}, "levels have shape"),
        ({"levels": [-1.0], "kind": "price"}, "price -1.0 of control 1"),
        ({"kind": "relativ"}, "did you mean 'relative'"),
        ({"layers": np.zeros(4, dtype=int)}, "write both or neither"),
        ({"layers": np.zeros(3, dtype=int), "floors": [1]}, "layers have shape"),
        ({"layers": np.ones(4, dtype=int), "floors": [1]}, "write indices in"),
        ({"layers": np.zeros(4, dtype=int), "floors": [5]}, "floor 5 of layer 0"),
        ({"layers": np.zeros(4, dtype=int), "floors": [3]}, "sum to at most kappa"),
    ],
)
def test_wrong_input_is_one_line(changes, words):
    stated = {"target": TARGET, "controls": [CONTROL], "kappa": 2, "levels": [0.5]}
    with pytest.raises(InputError, match=words) as caught:
        solve_cops(**stated | changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", [13, 14, 15])
def test_a_control_proportional_to_the_target_leaves_nothing_to_shrink(seed):
    """It allows the target's own mask alone: the largest feasible t is 0."""
    draws = np.random.default_rng(seed)
    target, other = draws.pareto(1.0, 1000), draws.pareto(1.0, 1000)
    found = solve_cops(target, [4 * target, other], 500, [0.4, 0.5], shrink=True)
    assert (found.status, found.shrunk) == ("optimal", 0.0)
    assert np.array_equal(found.mask, solve_cops(target, [], 500, []).mask)
    assert (np.abs(found.slacks) <= 1e-9 * np.abs(found.controls)).all()
    assert found.gap == 0


def test_ties_of_such_a_control_leave_the_largest_t_unproved():
    target, flat = np.arange(6.0), np.ones(6)
    found = solve_cops(target, [flat, -target], 3, [0.4, 0.5], shrink=True)
    assert (found.slacks >= -1e-9).all()
    assert found.status in ("optimal", "iteration_limit")
