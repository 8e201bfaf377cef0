"""Which region of the family wins: what is said of the best, and what is not."""

import io
import math
from collections import Counter
from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cops_core.scores import KINDS, SCORES
from study.configurations import by_configuration
from study.figures.family import family
from study.figures.regions import ASPECTS, FEWEST, LEAST, best_count, regions
from study.figures.style import score_ink
from study.report.content import make_report
from study.report.files import report_files
from study.report.page import page
from study.report.tables import family_frame, parquet
from study.statistics import common_by_chance, narrow_by_chance

from ..report.test_page import QUESTIONS, Page, record


@pytest.fixture
def searched(made):
    """Makes a study of that many targets at one rate: the accuracy of each, and its fields."""

    def make(count, accuracy, member, seeds=1):
        trials = []
        for place in range(count):
            values = [accuracy(place) + 0.001 * seed for seed in range(seeds)]
            trials += made(1 + place, values, selection={"target": member(place)})
        return by_configuration(trials)

    return make


def test_the_best_tenth_is_described_beside_all(searched):
    """The best have p near 1, whatever their functional."""
    found = searched(
        40,
        lambda place: 0.9 - 0.01 * abs(place - 20),
        lambda place: {
            "functional": ("loss", "gradient_flow")[place % 2],
            "p": place / 20,
            "r": (1 + place * 7 % 39) / 20,
        },
        seeds=2,
    )
    (region,) = regions(found)
    assert (region.where, region.seeds, region.best) == ("freezing rate 0.99", 2, 4)
    assert {each.number for each in region.winners} >= {20, 21, 22}
    texts = region.texts
    assert list(texts) == list(ASPECTS)
    assert texts["p"] == "0.9 to 1.1, median 0.97 (all 0 to 1.9, median 0.97)"
    assert texts["arm"] == "freeze (4 of 40)"
    assert region.verdict == "more than chance: p"
    assert region.sentence.startswith(
        "freezing rate 0.99: the best 4 of 40 configurations of the family (2 seeds each) reach "
    )
    assert region.sentence.endswith("More than chance: p.")


def test_what_has_nothing_to_do_with_accuracy_is_called_chance(searched):
    found = searched(
        40,
        lambda place: 0.9 - 0.01 * (place * 17 % 40),
        lambda place: {
            "functional": ("loss", "synflow")[place % 2],
            "p": (1 + place) / 20,
            "r": (place * 7 % 40) / 20,
        },
    )
    (region,) = regions(found)
    assert region.verdict == "no region: all of it may be chance"


def test_the_functional_that_wins_is_named(searched):
    found = searched(
        60,
        lambda place: 0.5 + 0.3 * (place % 3 == 0) + 0.001 * (place % 7),
        lambda place: {
            "functional": ("synflow", "loss", "gradient_flow")[place % 3],
            "p": (1 + place * 11 % 60) / 30,
            "r": (place * 7 % 60) / 30,
        },
    )
    (region,) = regions(found)
    assert region.texts["functional"] == "synflow (6 of 20)"
    assert region.verdict == "more than chance: functional"


def test_signed_members_have_no_powers(searched):
    found = searched(
        30,
        lambda place: 0.9 - 0.01 * place,
        lambda place: (
            {"functional": "gradient_flow", "form": "signed"}
            if place < 5
            else {"functional": "gradient_flow", "p": place / 15}
        ),
    )
    (region,) = regions(found)
    assert region.texts["functional"] == "gradient_flow signed (3 of 5)"
    assert region.texts["p"] == "none of the best has powers"


def test_of_few_nothing_is_said(searched):
    def line(count):
        found = searched(
            count, lambda place: 0.5, lambda place: {"functional": "loss", "p": (1 + place) / 20}
        )
        (region,) = regions(found)
        return region

    few, enough = line(FEWEST - 1), line(FEWEST)
    assert few.aspects == ()
    assert few.sentence == (
        "freezing rate 0.99: 19 configurations of the family (1 seed each), too few to say which region wins:"
        " 20 are needed."
    )
    assert enough.best == LEAST
    assert "the best 3 of 20" in enough.sentence
    assert [best_count(count) for count in (0, 19, 20, 31, 100)] == [0, 0, 3, 4, 10]


@pytest.mark.parametrize("kind", ["nothing", "rates and seeds", "layers and rounds", "all collapsed"])
def test_a_study_that_searched_no_member_has_no_regions(studies, kind):
    assert regions(by_configuration(studies[kind])) == []


def test_named_scores_have_their_place_in_the_plane(made):
    trials = [
        trial
        for number, (name, accuracy) in enumerate(
            (("magnitude", 0.5), ("gradient", 0.6), ("snip", 0.7), ("grasp", 0.8), ("random", 0.9))
        )
        for trial in made(number, (accuracy,), name)
    ]
    figure = family(by_configuration(trials))
    points = {
        axes.get_title().split(",")[0]: sorted(tuple(c.get_offsets()[0].tolist()) for c in axes.collections)
        for axes in figure.axes
        if axes.get_title()
    }
    assert points == {
        "weights": [(0.0, 1.0)],
        "loss": [(1.0, 0.0), (1.0, 1.0)],
        "gradient_flow signed": [(1.0, 1.0)],
    }


def test_the_best_tenth_is_ringed(studies):
    figure = family(by_configuration(studies["the score family"]))
    rings = [
        tuple(each.get_offsets()[0].tolist())
        for axes in figure.axes
        if axes.get_title()  # not the bar of colours
        for each in axes.collections
        if not len(each.get_facecolors()) and len(each.get_offsets()) == 1
    ]
    assert sorted(p for p, _ in rings) == pytest.approx([7 / 24, 8 / 24, 9 / 24])


def test_kinds_and_scores_look_different():
    looks = [(score_ink(name)["color"], score_ink(name)["marker"]) for name in (*SCORES, *KINDS)]
    assert len(set(looks)) == len(looks)
    assert (
        score_ink("gss(loss)")["color"]
        == score_ink("gss(loss, signed)")["color"]
        == score_ink("snip")["color"]
    )


def test_the_page_has_a_column_per_density(studies):
    made = make_report("made", record(QUESTIONS[1]), studies["the score family"])
    text = " ".join(Page(page(made).decode()).text.split())
    assert "too few to say which region wins: 20 are needed" in text
    assert "loss (2 of 16), synflow (1 of 7)" in text
    assert "a sampler that learns draws more where it was good" in text
    assert "tables/family.parquet" in report_files(made)


def test_the_table_has_each_configuration_of_the_family(studies):
    found = by_configuration(studies["the score family"])
    frame = pd.read_parquet(io.BytesIO(parquet(family_frame(found))))
    assert len(frame) == 28
    assert frame[frame.best].configuration.tolist() == [9, 8, 10]
    assert frame.p[frame.configuration == 9].item() == 8 / 24
    assert frame.functional.isna().sum() == 1  # p = 0
    assert family_frame([]).empty


@given(
    st.lists(st.integers(0, 6).map(float), min_size=2, max_size=8).flatmap(
        lambda drawn: st.tuples(st.just(drawn), st.lists(st.sampled_from(range(len(drawn))), unique=True))
    )
)
def test_narrow_by_chance_is_the_share_of_all_subsets(case):
    drawn, places = case
    best = [drawn[place] for place in places]
    expected = 1.0
    if len(best) > 1:
        widths = [max(some) - min(some) for some in combinations(drawn, len(best))]
        expected = sum(width <= max(best) - min(best) for width in widths) / len(widths)
    assert narrow_by_chance(drawn, best) == pytest.approx(expected)


def test_narrow_by_chance_counts_the_best_themselves():
    drawn = [0.1, 0.1 + 0.2, 0.7, 1.1]
    assert narrow_by_chance(drawn, drawn[:2]) == pytest.approx(1 / 6)


def test_common_by_chance_by_hand():
    """All 2 best of one kind, of 2 among 4: 1 of 6 subsets, for either of two kinds."""
    assert common_by_chance(Counter(a=2, b=2), Counter(a=2)) == pytest.approx(2 / 6)
    assert common_by_chance(Counter(a=4), Counter(a=2)) == 1.0
    assert common_by_chance(Counter(a=50, b=50), Counter(a=10)) == pytest.approx(
        2 * math.comb(50, 10) / math.comb(100, 10)
    )
