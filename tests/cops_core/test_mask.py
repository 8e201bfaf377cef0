from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cops_core.mask import Mask, flatten, kept_weights, top_kappa, unflatten

densities = st.decimals(min_value=0, max_value=1, places=6, allow_nan=False).filter(bool)
few_values = st.lists(st.integers(-2, 2), min_size=1, max_size=40)
any_floats = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


@given(densities, st.integers(1, 10**8))
def test_kappa_is_density_times_size_rounded_half_up(density, size):
    assert kept_weights(density, size) == (Fraction(density) * size + Fraction(1, 2)) // 1


def test_kappa_where_floats_disagree_with_each_other():
    size = 430_500  # LeNet-5-Caffe's maskable weights; half a weight is left over at 0.005
    assert kept_weights(Decimal("0.005"), size) == 2_153
    assert round(0.005 * size) != round((1 - 0.995) * size)


@pytest.mark.parametrize(
    ("density", "size", "kappa"),
    [("1", 7, 7), ("0.5", 1, 1), ("0.5", 3, 2), ("0.49", 1, 0), ("0.25", 10, 3), ("1E-7", 100, 0)],
)
def test_kappa_by_hand(density, size, kappa):
    assert kept_weights(Decimal(density), size) == kappa


@given(st.one_of(few_values, any_floats), st.data())
def test_top_kappa_is_the_head_of_a_stable_sort(values, data):
    kappa = data.draw(st.integers(0, len(values)))
    best = sorted(range(len(values)), key=lambda place: (-values[place], place))[:kappa]
    keep = top_kappa(np.array(values, dtype=np.float64), kappa)
    assert keep.dtype == bool
    assert np.flatnonzero(keep).tolist() == sorted(best)


def test_ties_go_to_the_lower_index():
    assert top_kappa(np.array([1.0, 2.0, 1.0, 1.0]), 3).tolist() == [True, True, True, False]
    assert top_kappa(np.zeros(4), 2).tolist() == [True, True, False, False]
    assert top_kappa(np.array([-0.0, 0.0]), 1).tolist() == [True, False]


def test_kappa_survives_thousands_of_ties():
    scores = np.zeros(100_000)
    scores[::1000] = 1.0
    keep = top_kappa(scores, 500)
    assert keep.sum() == 500
    assert keep[::1000].all()


def layers(**bits: list[int]) -> dict[str, torch.Tensor]:
    return OrderedDict((name, torch.tensor(values, dtype=torch.bool)) for name, values in bits.items())


def test_a_mask_counts_what_it_keeps():
    mask = Mask(layers(first=[1, 0, 0, 1], second=[0, 0]))
    assert (mask.kappa, mask.size, mask.kept) == (2, 6, {"first": 2, "second": 0})
    assert mask.densities() == {"first": 0.5, "second": 0.0}
    assert list(mask) == ["first", "second"]
    assert len(mask) == 2


def test_a_mask_holds_booleans_only():
    with pytest.raises(TypeError, match=r"mask of fc holds torch\.float32"):
        Mask({"fc": torch.ones(3)})


def test_hash_is_of_the_bits_and_where_they_are():
    mask = Mask(layers(first=[1, 0, 0, 1], second=[0, 0]))
    assert mask.sha256() == "5786c500889a497cfad019fe28becd954e598aad5f49f0c3050218868620eaec"
    assert mask.sha256() == Mask(layers(first=[1, 0, 0, 1], second=[0, 0])).sha256()
    others = [
        layers(first=[1, 0, 1, 0], second=[0, 0]),
        layers(first=[1, 0, 0, 1], third=[0, 0]),
        layers(first=[1, 0, 0], second=[1, 0, 0]),
        layers(second=[0, 0], first=[1, 0, 0, 1]),
        {"first": torch.tensor([[1, 0], [0, 1]], dtype=torch.bool), **layers(second=[0, 0])},
    ]
    assert len({mask.sha256(), *(Mask(other).sha256() for other in others)}) == 6


def test_hash_does_not_see_the_memory_layout():
    square = torch.tensor([[1, 0], [1, 1]], dtype=torch.bool)
    assert Mask({"fc": square.T.contiguous().T}).sha256() == Mask({"fc": square}).sha256()


@given(few_values)
def test_unflatten_puts_every_weight_back_in_its_place(values):
    keep = np.array(values) > 0
    cut = len(values) // 2
    shapes = {"first": torch.Size((cut, 1)), "second": torch.Size((1, 1, len(values) - cut))}
    mask = unflatten(keep, shapes)
    assert {name: layer.shape for name, layer in mask.items()} == shapes
    assert flatten(mask).astype(bool).tolist() == keep.tolist()
    assert mask.kappa == keep.sum()


def test_flatten_runs_through_layers_in_order_and_rows_first():
    scores = {"b": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "a": torch.tensor([5.0], dtype=torch.float64)}
    flat = flatten(scores)
    assert flat.dtype == np.float64
    assert flat.tolist() == [1, 2, 3, 4, 5]
