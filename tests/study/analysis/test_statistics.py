"""Intervals, paired tests and their correction, against hand-computed values and slow oracles."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from study.analysis.statistics import Interval, holm, interval, paired

NAN = math.nan
P_VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02, 0.05]) | st.just(NAN), max_size=6)


def test_the_interval_is_students():
    found = interval([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.302653, standard error 1 / sqrt 3
    assert (found.mean, found.count, found.deviation) == (2.0, 3, 1.0)
    assert found.half_width == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)


def test_the_deviation_divides_by_one_less_than_the_count():
    # 2, 4, 4, 4, 5, 5, 7, 9: squares about the mean of 5 sum to 32
    assert interval([2, 4, 4, 4, 5, 5, 7, 9]).deviation == pytest.approx(math.sqrt(32 / 7), rel=1e-15)
    assert interval([0.5, 0.5]) == Interval(0.5, 0.0, 2, 0.0)


def test_a_single_value_has_no_deviation():
    found = interval([1.0])
    assert (found.mean, found.half_width, found.count) == (1.0, math.inf, 1)
    assert math.isnan(found.deviation)


def test_an_interval_covers_the_mean_as_often_as_it_says():
    values = np.random.default_rng(0).normal(3, 2, (4000, 4))
    covered = [abs(found.mean - 3) <= found.half_width for found in map(interval, values)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.012)  # three and a half standard errors


def test_an_interval_is_written_with_its_count():
    assert f"{interval([0.5, 0.7]):.1%}" == "60.0% ± 127.1% (2)"
    assert f"{interval([0.5, 0.7]):+.1%}" == "+60.0% ± 127.1% (2)"


def test_a_paired_test_computed_by_hand():
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt 3, t = 2 sqrt 3 with 2 degrees of freedom,
    # whose distribution has a closed form: p = 1 - t / sqrt(2 + t^2).
    t = 2 * math.sqrt(3)
    found = paired({0: 2.0, 1: 4.0, 2: 6.0}, {0: 1.0, 1: 2.0, 2: 3.0})
    assert found == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-12)
    assert found == pytest.approx(0.0741799, rel=1e-5)


def test_only_common_seeds_are_compared():
    first, second = {0: 0.5, 2: 0.7, 3: 0.9, 4: 0.1}, {4: 0.3, 3: 0.8, 2: 0.4, 9: 0.0}
    expected = stats.ttest_rel([0.7, 0.9, 0.1], [0.4, 0.8, 0.3]).pvalue
    assert paired(first, second) == pytest.approx(expected, rel=1e-12)
    assert paired(second, first) == pytest.approx(expected, rel=1e-12)


def test_pairing_sees_what_the_spread_between_seeds_hides():
    hard = {seed: 0.5 + seed / 10 for seed in range(5)}
    better = {seed: value + 0.01 + (seed % 2) / 1000 for seed, value in hard.items()}
    assert paired(better, hard) < 1e-4
    assert stats.ttest_ind(list(better.values()), list(hard.values())).pvalue > 0.9


@pytest.mark.parametrize(
    ("first", "second"), [({}, {}), ({0: 0.5}, {0: 0.4}), ({0: 0.5, 1: 0.6}, {1: 0.4, 2: 0.3})]
)
def test_fewer_than_two_common_seeds_cannot_be_compared(first, second):
    assert math.isnan(paired(first, second))


def test_the_same_difference_at_every_seed_is_certain():
    first = {0: 0.9, 1: 0.5, 2: 0.7}
    assert paired(first, dict(first)) == 1.0
    # 0.1 each, but not the same floating point numbers
    assert paired(first, {0: 0.8, 1: 0.4, 2: 0.6}) == 0.0
    assert paired({0: 0.8, 1: 0.4, 2: 0.6}, first) == 0.0


def test_two_accuracies_that_differ_by_one_image_are_a_difference():
    differences = 1 / 50000
    assert 0 < paired({0: 0.5, 1: 0.5 + differences, 2: 0.5}, {0: 0.5, 1: 0.5, 2: 0.5}) < 1


def test_holm_computed_by_hand():
    # Ascending 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04; made monotone.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_impossible_comparisons_do_not_count_in_the_correction():
    found = holm([0.04, NAN, 0.01, NAN])
    assert [found[0], found[2]] == pytest.approx([0.04, 0.02])
    assert math.isnan(found[1])
    assert math.isnan(found[3])


@settings(deadline=None)
@given(P_VALUES)
def test_holm_is_the_closure_of_bonferronis_test(p_values):
    """The oracle: a hypothesis is rejected if each set that contains it is, by its smallest p-value."""
    compared = [index for index, p in enumerate(p_values) if not math.isnan(p)]
    sets = [chosen for size in range(1, len(compared) + 1) for chosen in combinations(compared, size)]
    for index, adjusted in enumerate(holm(p_values)):
        if index in compared:
            worst = max(
                min(1.0, len(chosen) * min(p_values[one] for one in chosen))
                for chosen in sets
                if index in chosen
            )
            assert adjusted == pytest.approx(worst, rel=1e-12)
        else:
            assert math.isnan(adjusted)


def test_holm_keeps_the_order_and_never_lowers():
    values = [0.001, 0.01, 0.02, 0.2, 0.9]
    for p_values in product(values, repeat=3):
        adjusted = holm(p_values)
        assert all(mine >= p for mine, p in zip(adjusted, p_values, strict=True))
        ranked = sorted(range(3), key=lambda index: p_values[index])
        assert [adjusted[index] for index in ranked] == sorted(adjusted)
