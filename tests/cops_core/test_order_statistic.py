"""The n-th lowest number against a sort, also where a sample misleads."""

import numpy as np
import pytest

from cops_core.mask import top_kappa
from cops_core.order_statistic import FEW, nth_lowest

SIZE = 3 * FEW + 7
NOISE = np.random.default_rng(0).standard_normal(SIZE)
ARRAYS = {
    "noise": NOISE,
    "heavy tails": np.exp(3 * NOISE),
    "ascending": np.sort(NOISE),
    "descending": np.sort(NOISE)[::-1],
    "constant": np.ones(SIZE),
    "ties": NOISE.round(1),
    "mostly zero": np.where(NOISE > 2, NOISE, 0.0),
    "the sample sees zeros only": np.where(np.arange(SIZE) % (SIZE // 4096), NOISE, 0.0),
    "one type for all": NOISE.astype(np.float32),
    "infinite": np.where(NOISE > 1, np.inf, -np.inf),
    "two signs of zero": np.where(NOISE > 0, 0.0, -0.0),
}
PLACES = (0, 1, SIZE // 100, SIZE // 2, SIZE - SIZE // 100, SIZE - 2, SIZE - 1)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("place", PLACES)
def test_it_is_that_of_a_sort(name, place):
    values = ARRAYS[name]
    before = values.copy()
    found = nth_lowest(values, place)
    assert found == np.sort(values)[place]
    assert found.dtype == values.dtype
    assert np.array_equal(values, before)


@pytest.mark.parametrize("size", [1, 2, FEW - 1, FEW, FEW + 1])
def test_few_numbers(size):
    values = NOISE[:size]
    for place in {0, size // 2, size - 1}:
        assert nth_lowest(values, place) == np.sort(values)[place]


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("kappa", [1, SIZE // 50, SIZE // 2, SIZE])
def test_the_highest_are_those_of_a_stable_sort(name, kappa):
    values = ARRAYS[name]
    keep = top_kappa(values, kappa)
    order = np.argsort(-values, kind="stable")
    expected = np.zeros(SIZE, dtype=bool)
    expected[order[:kappa]] = True
    assert np.array_equal(keep, expected)
