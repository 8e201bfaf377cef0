import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from cops_core.compare import rank_correlations

sizes = st.integers(2, 60)
tied = st.integers(-2, 2).map(float)
apart = st.floats(-1e6, 1e6)


def test_by_hand():
    # Ranks 1 2 3 4, 2 1 3 4 and, with a tie, 3.5 3.5 2 1: sums of squared rank distances by pencil.
    found = rank_correlations([np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 3, 4]), np.array([9.0, 9, 1, 0])])
    assert found[0, 1] == pytest.approx(1 - 6 * 2 / (4 * 15))
    # Centred: (-1.5, -0.5, 0.5, 1.5) and (1, 1, -0.5, -1.5): product -4.5, norms sqrt(5), sqrt(4.5).
    assert found[0, 2] == pytest.approx(-4.5 / np.sqrt(5 * 4.5))
    assert np.diag(found).tolist() == [1.0, 1.0, 1.0]


@given(sizes, st.sampled_from([tied, apart]), st.data())
def test_as_scipy_says(size, values, data):
    scores = [np.array(data.draw(st.lists(values, min_size=size, max_size=size))) for _ in range(3)]
    found = rank_correlations(scores)
    for i, first in enumerate(scores):
        for j, second in enumerate(scores):
            if np.ptp(first) == 0 or np.ptp(second) == 0:
                assert np.isnan(found[i, j])
            else:
                assert found[i, j] == pytest.approx(spearmanr(first, second).statistic, abs=1e-9)
                assert -1 <= found[i, j] <= 1


def test_thousands_of_ties_share_their_rank():
    draws = np.random.default_rng(0)
    first, second = draws.random(5_000), draws.random(5_000)
    first[:2_000] = 0.0
    second[1_000:4_000] = 0.0
    found = rank_correlations([first, second])[0, 1]
    assert found == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


def test_only_the_order_counts():
    score = np.random.default_rng(1).normal(size=100)
    found = rank_correlations([score, np.exp(score), -(score**3)])
    assert found == pytest.approx(np.array([[1, 1, -1], [1, 1, -1], [-1, -1, 1]]))


def test_a_constant_score_orders_nothing():
    found = rank_correlations([np.zeros(3), np.array([1.0, 2.0, 3.0])])
    assert np.isnan(found).tolist() == [[True, True], [True, False]]


def test_scores_are_left_as_they_were():
    score = np.array([3.0, 1.0, 2.0])
    rank_correlations([score, score])
    assert score.tolist() == [3.0, 1.0, 2.0]
