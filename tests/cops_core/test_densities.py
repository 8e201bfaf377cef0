"""Layer densities: numbers computed by hand, slow loops that say the same, and what always holds."""

import math
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cops_core.config import Selection
from cops_core.densities import PROPORTIONS, balanced, erdos_renyi_kernel, layer_budgets
from cops_core.errors import InputError
from cops_core.groups import groups_of
from cops_core.initialization import initialize
from cops_core.iterate import run_rounds
from cops_core.mask import flatten, kept_weights, top_kappa
from cops_core.models import build_model
from cops_core.prunable import maskable, with_biases
from cops_core.scores import compute_scores
from cops_core.scoring import Scorer

densities = st.decimals(min_value=0, max_value=1, places=6, allow_nan=False).filter(bool)
layer_sizes = st.lists(st.integers(1, 5_000), min_size=1, max_size=8).map(
    lambda sizes: {f"layer{number}": (size,) for number, size in enumerate(sizes)}
)
layer_shapes = st.lists(
    st.lists(st.integers(1, 30), min_size=1, max_size=4).map(tuple), min_size=1, max_size=8
).map(lambda shapes: {f"layer{number}": shape for number, shape in enumerate(shapes)})


@given(densities, layer_sizes)
def test_layer_budgets_sum_to_kappa_and_fit(density, shapes):
    budgets = layer_budgets(density, shapes)
    assert list(budgets) == list(shapes)
    assert sum(budgets.values()) == kept_weights(density, sum(size for (size,) in shapes.values()))
    for name, (size,) in shapes.items():
        assert 0 <= budgets[name] <= size
        assert abs(budgets[name] - Fraction(density) * size) < 1


@given(densities, layer_sizes)
def test_layers_rounded_up_have_the_largest_remainders(density, shapes):
    budgets = layer_budgets(density, shapes)
    exact = {name: Fraction(density) * size for name, (size,) in shapes.items()}
    up = [name for name in shapes if budgets[name] > exact[name]]
    down = [name for name in shapes if name not in up]
    assert all(exact[high] % 1 >= exact[low] % 1 for high in up for low in down)


def test_equal_remainders_go_to_the_earlier_layer():
    assert layer_budgets(Decimal("0.5"), {"b": (1,), "a": (1,), "c": (2,)}) == {"b": 1, "a": 0, "c": 1}


# By network, its images' shape and the density: the kept weights of each layer, in order. Of LeNet-300-100 at
# 0.01 e.g. 2662 weights; w = 784 + 300, 300 + 100, 100 + 10 of together 1594, so that fc1 has
# 2662 * 1084 / 1594 = 1810.3. At 0.1 the last layer's 26620 * 110 / 1594 = 1837 exceed its 1000 weights: it
# is dense, and fc1 has 25620 * 1084 / 1484 = 18714.2 of the rest.
BY_HAND = {
    ("lenet_300_100", (1, 28, 28), "0.01"): {
        "layer": [2352, 300, 10],
        "erk": [1810, 668, 184],
        "balanced": [888, 887, 887],
    },
    ("lenet_300_100", (1, 28, 28), "0.1"): {
        "layer": [23520, 3000, 100],
        "erk": [18714, 6906, 1000],
        "balanced": [12810, 12810, 1000],
    },
    ("lenet_5_caffe", (1, 28, 28), "0.005"): {
        "layer": [3, 125, 2000, 25],
        "erk": [35, 90, 1457, 571],
        "balanced": [500, 551, 551, 551],
    },
    ("resnet20", (3, 32, 32), "0.05"): {
        "layer": [22, *6 * [115], 231, *5 * [461], 922, *5 * [1843], 32],
        "erk": [223, *5 * [340], 339, 483, *5 * [626], 912, *5 * [1198], 640],
        "balanced": [432, *15 * [686], *3 * [685], 640],
    },
}


@pytest.mark.parametrize("scope", PROPORTIONS)
@pytest.mark.parametrize("case", BY_HAND, ids=lambda case: f"{case[0]} {case[2]}")
def test_kept_weights_of_known_networks_by_hand(case, scope):
    name, shape, density = case
    shapes = {weight: p.shape for weight, p in maskable(build_model(name, shape, 10)).items()}
    budgets = layer_budgets(Decimal(density), shapes, PROPORTIONS[scope])
    assert list(budgets.values()) == BY_HAND[case][scope]


def rigl(density: float, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """Erdos-Renyi-kernel densities as RigL's authors find them: one layer after the other becomes dense."""
    dense: set[str] = set()
    raw = {name: sum(shape) / math.prod(shape) for name, shape in shapes.items()}
    while len(dense) < len(shapes):
        rest = sum(
            density * math.prod(shape) - (math.prod(shape) if name in dense else 0)
            for name, shape in shapes.items()
        )
        sparse = {name: raw[name] for name in shapes if name not in dense}
        eps = rest / sum(raw[name] * math.prod(shapes[name]) for name in sparse)
        highest = max(sparse.values())
        if highest * eps <= 1:
            return {name: 1.0 if name in dense else eps * raw[name] for name in shapes}
        dense |= {name for name in sparse if sparse[name] == highest}
    return dict.fromkeys(shapes, 1.0)


@given(densities, layer_shapes)
def test_erk_is_what_rigls_loop_finds(density, shapes):
    budgets = layer_budgets(density, shapes, erdos_renyi_kernel)
    for name, share in rigl(float(density), shapes).items():
        assert abs(budgets[name] - share * math.prod(shapes[name])) < 1 + 1e-6


def one_by_one(kappa: int, sizes: list[int]) -> list[int]:
    """Weights dealt out one by one, each to the layer that has the fewest of those with room."""
    kept = [0] * len(sizes)
    for _ in range(kappa):
        place = min((p for p in range(len(sizes)) if kept[p] < sizes[p]), key=lambda p: (kept[p], p))
        kept[place] += 1
    return kept


@given(densities, st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_balanced_is_dealing_out_one_by_one(density, sizes):
    shapes = {str(place): (size,) for place, size in enumerate(sizes)}
    budgets = list(layer_budgets(density, shapes, balanced).values())
    assert sorted(budgets) == sorted(one_by_one(kept_weights(density, sum(sizes)), sizes))
    assert all(abs(a - b) <= 1 for a, b in zip(budgets, one_by_one(sum(budgets), sizes), strict=True))


@given(densities, layer_shapes, st.sampled_from(list(PROPORTIONS)), st.data())
def test_kappa_is_exact_and_every_layer_within_its_bounds(density, shapes, scope, data):
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    kappa = kept_weights(density, sum(sizes.values()))
    floors, left = {}, kappa
    for name, size in sizes.items():
        floors[name] = data.draw(st.integers(0, min(size, left)))
        left -= floors[name]
    budgets = layer_budgets(density, shapes, PROPORTIONS[scope], floors)
    assert sum(budgets.values()) == kappa
    assert all(floors[name] <= budgets[name] <= sizes[name] for name in shapes)
    without = layer_budgets(density, shapes, PROPORTIONS[scope])
    if all(without[name] >= floors[name] for name in shapes):
        assert all(abs(budgets[name] - without[name]) <= 1 for name in shapes)


def test_floors_are_taken_from_the_others():
    shapes = {"first": (2, 2), "second": (10, 10), "third": (20, 10)}
    assert layer_budgets(Decimal("0.1"), shapes) == {"first": 0, "second": 10, "third": 20}
    raised = layer_budgets(Decimal("0.1"), shapes, floors={"first": 3, "second": 3, "third": 3})
    assert raised == {"first": 3, "second": 9, "third": 18}


def test_more_floors_than_kept_weights_are_refused():
    with pytest.raises(InputError, match="sum to 4: write at most kappa = 3"):
        layer_budgets(Decimal("0.1"), {"first": (10,), "second": (20,)}, floors={"first": 2, "second": 2})


@pytest.mark.parametrize("scope", PROPORTIONS)
def test_a_random_mask_of_known_layer_densities(scope):
    """The strong random baselines: in each layer the top of a random score, as many as its budget."""
    model = build_model("lenet_300_100", (1, 28, 28), 10)
    initialize(model, 3)
    selection = Selection(target="random", scope=scope)
    batch = torch.zeros(1, 1, 28, 28), torch.zeros(1, dtype=torch.long)
    scorer = Scorer(model, 3, "theta0")
    mask = run_rounds(scorer, [batch], selection, groups_of(scorer, selection, Decimal("0.01"))).mask
    assert list(mask.kept.values()) == BY_HAND["lenet_300_100", (1, 28, 28), "0.01"][scope]
    scores = compute_scores(["random"], model, batch, seed=3)["random"]
    for name, keep in mask.items():
        expected = top_kappa(flatten({name: scores[name]}), mask.kept[name])
        assert np.array_equal(keep.numpy().ravel(), expected)


def test_biases_that_are_masked_are_layers_like_others():
    shapes = {name: p.shape for name, p in with_biases(build_model("lenet_300_100", (1, 28, 28), 10)).items()}
    budgets = layer_budgets(Decimal("0.01"), shapes, erdos_renyi_kernel)
    # w of a bias is its size, so its density is eps: all biases but none of the large layers are dense.
    assert {name for name, budget in budgets.items() if budget == math.prod(shapes[name])} == {
        "fc1.bias",
        "fc2.bias",
        "fc3.bias",
    }
    assert sum(budgets.values()) == kept_weights(Decimal("0.01"), 266_610)
