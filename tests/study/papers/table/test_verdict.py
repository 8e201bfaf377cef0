"""Verdicts: the whole interval decides, at its ends, for any numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.presets.base import PublishedValue
from study.analysis.statistics import Interval, interval
from study.papers.table.verdict import (
    FACTOR_TOLERANCE,
    ROUNDING,
    compare_with_published,
    tolerance_of,
    written,
)


def of(mean, half_width):
    return Interval(mean, half_width, 5)


CASES = [
    # mean, half width, published, tolerance, verdict
    (0.930, 0.001, 0.931, 0.01, "agrees"),
    (0.921, 0.0, 0.931, 0.01, "agrees"),  # on the lower end
    (0.936, 0.005, 0.931, 0.01, "agrees"),  # the interval ends on the upper end
    (0.936, 0.0051, 0.931, 0.01, "undecided"),
    (0.9415, 0.001, 0.931, 0.01, "undecided"),  # the mean is outside, the interval reaches in
    (0.943, 0.001, 0.931, 0.01, "above"),
    (0.919, 0.001, 0.931, 0.01, "below"),
    (0.942, 0.001, 0.931, 0.01, "undecided"),  # begins on the upper end
    (0.931, 0.02, 0.931, 0.01, "undecided"),  # the same mean, but too wide
    (0.931, 0.0, 0.931, 0.0, "agrees"),
    (0.931, math.inf, 0.931, 0.01, "undecided"),
    (0.1, math.inf, 0.931, 0.01, "undecided"),
    (157.7, 0.0, 157, FACTOR_TOLERANCE, "agrees"),
    (155.9, 0.0, 157, FACTOR_TOLERANCE, "below"),
]


@pytest.mark.parametrize(("mean", "half_width", "published", "tolerance", "verdict"), CASES)
def test_the_verdict_is_the_intervals(mean, half_width, published, tolerance, verdict):
    assert compare_with_published(of(mean, half_width), published, tolerance) == verdict


def test_a_single_seed_decides_nothing():
    assert compare_with_published(interval([0.931]), 0.931, 0.01) == "undecided"
    assert compare_with_published(interval([0.1]), 0.931, 0.01) == "undecided"


shares = st.floats(0, 1)
widths = st.floats(0, 1)


@given(shares, widths, shares, widths)
def test_there_is_one_verdict_and_it_agrees_with_the_interval(mean, width, published, tolerance):
    verdict = compare_with_published(of(mean, width), published, tolerance)
    low, high = mean - width, mean + width
    slack = 2 * ROUNDING
    if verdict == "agrees":
        assert published - tolerance - slack <= low <= high <= published + tolerance + slack
    elif verdict == "above":
        assert low > published + tolerance
    elif verdict == "below":
        assert high < published - tolerance
    else:
        assert low < published - tolerance <= high + slack or low - slack <= published + tolerance < high


@given(shares, widths, shares, widths, widths)
def test_more_tolerance_never_takes_agreement_away(mean, width, published, tolerance, more):
    if compare_with_published(of(mean, width), published, tolerance) == "agrees":
        assert compare_with_published(of(mean, width), published, tolerance + more) == "agrees"


@given(shares, widths, shares, widths, st.floats(0, 1))
def test_a_narrower_interval_never_takes_a_verdict_away(mean, width, published, tolerance, part):
    verdict = compare_with_published(of(mean, width), published, tolerance)
    if verdict != "undecided":
        assert compare_with_published(of(mean, part * width), published, tolerance) == verdict


@given(shares, widths, shares, widths)
def test_above_and_below_are_mirror_images(mean, width, published, tolerance):
    other = {"above": "below", "below": "above"}
    verdict = compare_with_published(of(mean, width), published, tolerance)
    assert compare_with_published(of(-mean, width), -published, tolerance) == other.get(verdict, verdict)


def test_tolerances_are_points_and_a_factors_is_one():
    assert tolerance_of("accuracy", 0.5) == tolerance_of("share of dense", 0.5) == 0.005
    assert tolerance_of("factor", 0.5) == 1.0


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0.931, "accuracy", "93.1 %"),
        (0.992, "share of dense", "99.2 % of dense"),
        (157, "factor", "factor 157"),
    ],
)
def test_figures_are_written_with_their_unit(value, unit, words):
    assert written(PublishedValue("m", 0, value, unit, "s")) == words
