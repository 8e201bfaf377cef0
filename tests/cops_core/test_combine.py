"""Other ways to combine scores, each against a slow loop, in trials, rounds and with floors."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cops_core.combine import COMBINATIONS, choose
from cops_core.config import Control, Floor, Selection
from cops_core.data import load_split
from cops_core.floors import Floors
from cops_core.initialization import initialize
from cops_core.mask import kept_weights, top_kappa
from cops_core.models import build_model
from cops_core.scoring import Scorer
from cops_core.trial_selection import select_weights

CONTROLS = ("magnitude", "random", "synflow")


def selection(levels: list[float], **fields: Any) -> Selection:
    controls = [Control(score=name, level=level) for name, level in zip(CONTROLS, levels, strict=False)]
    return Selection(target="snip", controls=tuple(controls), **fields)


@st.composite
def problems(draw):
    """The scores with many ties, shape (J + 1, n), the controls' shares, and kappa."""
    count, size = draw(st.integers(1, 3)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    scores = rng.integers(0, draw(st.sampled_from([3, 1000])), (count + 1, size)).astype(float)
    shares = [draw(st.integers(0, 33)) / 100 for _ in range(count)]
    return list(scores), shares, draw(st.integers(0, size))


def order_of(*keys: np.ndarray) -> list[int]:
    """The weights, the highest first key first; ties by the other keys, then by the lower index."""
    return sorted(range(keys[0].size), key=lambda i: (*(-float(key[i]) for key in keys), i))


@given(problems())
def test_a_union_is_the_controls_highest_filled_up_by_the_target(problem):
    scores, shares, kappa = problem
    kept: set[int] = set()
    for share, score in zip(shares, scores[1:], strict=True):
        kept |= set(order_of(score, *scores)[: int(Fraction(str(share)) * kappa)])
    for place in order_of(*scores):
        if len(kept) < kappa:
            kept.add(place)
    choice = choose(scores, selection(shares, combine="union"), kappa, None)
    assert set(np.flatnonzero(choice.keep)) == kept
    assert choice.keep.sum() == kappa
    # The target has its own part of the budget in full.
    own = kappa - sum(int(Fraction(str(share)) * kappa) for share in shares)
    assert set(order_of(*scores)[:own]) <= kept


@given(problems())
def test_a_weighted_sum_is_that_of_normalised_scores(problem):
    scores, shares, kappa = problem
    sizes = [max(np.abs(score).sum(), 1e-300) for score in scores]
    weights = [1 - sum(shares), *shares]
    total = sum(weight * score / size for weight, score, size in zip(weights, scores, sizes, strict=True))
    choice = choose(scores, selection(shares, combine="weighted"), kappa, None)
    assert choice.keep.sum() == kappa
    assert total[choice.keep].sum() == pytest.approx(np.sort(total)[::-1][:kappa].sum())


def test_half_the_budget_each_by_hand():
    target, control = np.array([9.0, 8, 7, 6, 5, 0, 0]), np.array([9.0, 0, 0, 0, 0, 8, 7])
    keep = choose([target, control], selection([0.5], combine="union"), 4, None).keep
    assert np.flatnonzero(keep).tolist() == [0, 1, 2, 5]
    keep = choose([target, control], selection([0.5], combine="union"), 5, None).keep
    assert np.flatnonzero(keep).tolist() == [0, 1, 2, 3, 5]


def test_a_weighted_sum_by_hand():
    target, control = np.array([4.0, 3, 2, 1]), np.array([0.0, 0, 50, 50])
    for weight, expected in ((0.0, [0, 1]), (0.1, [0, 1]), (0.3, [0, 2]), (0.5, [2, 3])):
        keep = choose([target, control], selection([weight], combine="weighted"), 2, None).keep
        assert np.flatnonzero(keep).tolist() == expected


@given(problems(), st.sampled_from(list(COMBINATIONS)), st.data())
def test_the_highest_of_its_ranking_are_kept(problem, combine, data):
    scores, shares, kappa = problem
    choice = choose(scores, selection(shares, combine=combine), kappa, None)
    ranking = choice.ranking(scores)
    assert choice.keep.sum() == kappa
    if 0 < kappa < ranking.size and choice.solution is None:
        assert ranking[choice.keep].min() >= ranking[~choice.keep].max()
    elif choice.solution is not None and len(shares) == 1 and choice.solution.multipliers[0] < 1e6:
        best = np.sort(ranking)[::-1][:kappa].sum()
        assert ranking[choice.keep].sum() == pytest.approx(best, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("combine", COMBINATIONS)
def test_floors_hold_in_every_combination(combine):
    rng = np.random.default_rng(0)
    scores = [rng.random(30) for _ in range(2)]
    scores[0][20:], scores[1][20:] = 0.0, 0.0
    floors = Floors(np.repeat([0, 1, 2], 10), np.array([0, 1, 4]))
    keep = choose(scores, selection([0.5], combine=combine), 6, floors).keep
    assert keep.sum() == 6
    assert keep[10:20].sum() >= 1
    assert keep[20:].sum() == 4


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return load_split("digits", tmp_path_factory.mktemp("data"), 3, Decimal("0.2"))


@pytest.mark.parametrize("combine", ["weighted", "union"])
@pytest.mark.parametrize("how", [{}, {"rounds": 3}, {"scope": "erk", "rounds": 2}, {"floor": Floor(count=9)}])
def test_in_a_trial(parts, combine, how):
    model = build_model("lenet_300_100", parts.data.shape, 10)
    initialize(model, 3)
    scorer = Scorer(model, 3, "theta0")
    chosen = selection([0.5], combine=combine, **how)
    selected = select_weights(scorer, parts, chosen, Decimal("0.01"))
    assert selected.mask.kappa == kept_weights(Decimal("0.01"), selected.mask.size)
    assert len(selected.manifest["kappas"]) == chosen.rounds
    assert selected.manifest["combine"] == combine
    assert selected.manifest["price_of_control"] == {}
    assert bool(selected.manifest["solutions"]) is (combine == "weighted")
    assert min(selected.mask.kept.values()) >= (9 if chosen.floor else 0)
    assert scorer.computed == {"snip": 1, "magnitude": 1}


def test_without_a_share_the_target_decides(parts):
    model = build_model("lenet_300_100", parts.data.shape, 10)
    initialize(model, 3)
    masks = [
        select_weights(Scorer(model, 3, "theta0"), parts, chosen, Decimal("0.01")).mask.sha256()
        for chosen in (
            Selection(target="snip"),
            *(selection([0.0], combine=c) for c in ("weighted", "union")),
        )
    ]
    assert len(set(masks)) == 1


def test_the_share_is_the_decimal_that_was_written():
    scores = [np.arange(100.0), -np.arange(100.0)]
    keep = choose(scores, selection([0.29], combine="union"), 100, None).keep  # 0.29 * 100 < 29 in floats
    assert keep.all()
    keep = choose(scores, selection([0.58], combine="union"), 50, None).keep
    assert top_kappa(scores[1], 29)[keep].sum() == 29
