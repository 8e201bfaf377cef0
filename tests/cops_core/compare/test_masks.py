import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cops_core.compare import kept_scores, layer_counts, overlaps
from cops_core.mask import top_kappa

masks_of_twelve = st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=4)


def vectors(*rows):
    return [np.array(row, dtype=np.float64) for row in rows]


def best(scores, kappa):
    return [top_kappa(score, kappa) for score in scores]


@given(masks_of_twelve)
def test_overlap_as_sets_say(rows):
    found = overlaps([np.array(row) for row in rows])
    sets = [{place for place, kept in enumerate(row) if kept} for row in rows]
    for i, first in enumerate(sets):
        for j, second in enumerate(sets):
            if first | second:
                assert found[i, j] == len(first & second) / len(first | second)
            else:
                assert np.isnan(found[i, j])


def test_independent_masks_overlap_by_chance():
    draws = np.random.default_rng(0)
    masks = [top_kappa(draws.random(100_000), 10_000) for _ in range(2)]
    assert overlaps(masks)[0, 1] == pytest.approx(0.1 / (2 - 0.1), rel=0.05)


@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=5))
def test_layer_counts_as_a_loop_says(layers):
    mask = np.array([kept for layer in layers for kept in layer])
    assert layer_counts(mask, [len(layer) for layer in layers]).tolist() == [sum(layer) for layer in layers]


def test_kept_by_hand():
    scores = vectors([4, 3, 2, 1], [0, 6, 6, 0], [-5, -1, 3, 1])
    kept = kept_scores(scores, best(scores, 2))  # the masks keep weights 0 1, 1 2 and 2 3
    assert kept.values.tolist() == [[7, 6, -6], [5, 12, 2], [3, 6, 4]]
    assert kept.best.tolist() == [7, 12, 4]
    assert kept.chance.tolist() == [5, 6, -1]
    assert kept.share[:, 0].tolist() == [1, 5 / 7, 3 / 7]
    assert kept.share[:, 1].tolist() == [0.5, 1, 0.5]
    assert np.isnan(kept.share[:, 2]).all()  # values cancel: no share
    assert kept.above_chance.tolist() == [[1, 0, -1], [0, 1, 0.6], [-1, 0, 1]]


@pytest.mark.parametrize("kappa", [1, 3, 7])
def test_kept_as_loops_say(kappa):
    draws = np.random.default_rng(kappa)
    scores = [draws.normal(size=20), draws.random(20), draws.integers(0, 3, 20).astype(float)]
    masks = best(scores, kappa)
    kept = kept_scores(scores, masks)
    for i, mask in enumerate(masks):
        for j, score in enumerate(scores):
            value = sum(v for v, keep in zip(score, mask, strict=True) if keep)
            most = sum(sorted(score)[-kappa:])
            chance = kappa * sum(score) / 20
            assert kept.values[i, j] == pytest.approx(value)
            assert kept.above_chance[i, j] == pytest.approx((value - chance) / (most - chance))
            assert kept.above_chance[i, j] <= 1 + 1e-12
            if j == 1:
                assert kept.share[i, j] == pytest.approx(value / most)


@given(st.lists(st.integers(-50, 50), min_size=8, max_size=8), st.integers(1, 7), st.integers(-99, 99))
def test_above_chance_knows_neither_scale_nor_offset(values, kappa, offset):
    score = np.array(values, dtype=np.float64)
    other = np.arange(8.0)
    plain = kept_scores([score, other], best([score, other], kappa)).above_chance
    moved = [4 * score + offset, other]
    assert kept_scores(moved, best(moved, kappa)).above_chance == pytest.approx(plain, nan_ok=True)


def test_random_masks_keep_nothing_above_chance():
    draws = np.random.default_rng(3)
    scores = [draws.normal(size=200_000) ** 2, draws.random(200_000)]
    assert kept_scores(scores, best(scores, 20_000)).above_chance[1, 0] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("values", [[0.1] * 7, np.random.default_rng(0).random(7)])
def test_where_all_masks_keep_the_same_nothing_is_above_chance(values):
    """A constant score, and a mask that keeps everything: only rounding tells best from chance."""
    constant = np.ptp(values) == 0
    scores = vectors(values)
    kept = kept_scores(scores, best(scores, 3 if constant else 7))
    assert np.isnan(kept.above_chance).all()
    assert kept.share == pytest.approx(1)
    assert np.isnan(kept_scores(vectors([0, 0]), best(vectors([0, 0]), 1)).share).all()
