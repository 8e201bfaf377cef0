"""Which region of the family wins: what the report says about the best, and what it does not say."""

import io
import math
from decimal import Decimal

import pandas as pd
import pytest

from cops_core.scores import KINDS, SCORES
from study.analysis.configurations import by_configuration
from study.analysis.regions import ASPECTS, FEWEST, LEAST, searched_regions
from study.analysis.statistics import differ, trend
from study.views.figures.family import family
from study.views.figures.style import score_ink
from study.views.report.content import make_report
from study.views.report.page import page
from study.views.report.tables import family_frame, parquet

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


def test_the_best_tenth_is_compared_with_all(searched):
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
    (region,) = searched_regions(found)
    assert (region.where, region.seeds, region.best) == ("freezing rate 0.99", 2, 4)
    assert {each.result.number for each in region.winners} >= {20, 21, 22}
    texts = region.texts
    assert list(texts) == list(ASPECTS)
    assert texts["p"] == "0.9 to 1.1, median 0.97 (all 0 to 1.9, median 0.97)"
    assert texts["arm"] == "freeze (4 of 40)"
    assert region.verdict == "more than chance: p"
    assert region.sentence.startswith(
        "freezing rate 0.99: the best 4 of 40 configurations of the family (2 seeds each) reach "
    )
    assert region.sentence.endswith("More than chance: p.")


def test_an_aspect_without_effect_is_called_chance(searched):
    found = searched(
        40,
        lambda place: 0.9 - 0.01 * (place * 17 % 40),
        lambda place: {
            "functional": ("loss", "synflow")[place % 2],
            "p": (1 + place) / 20,
            "r": (place * 7 % 40) / 20,
        },
    )
    (region,) = searched_regions(found)
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
    (region,) = searched_regions(found)
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
    (region,) = searched_regions(found)
    assert region.texts["functional"] == "gradient_flow signed (3 of 5)"
    assert region.texts["p"] == "none of the best has powers"


def test_few_configurations_give_no_verdict(searched):
    def line(count):
        found = searched(
            count, lambda place: 0.5, lambda place: {"functional": "loss", "p": (1 + place) / 25}
        )
        (region,) = searched_regions(found)
        return region

    few, enough = line(FEWEST - 1), line(FEWEST)
    assert few.aspects == ()
    assert few.sentence == (
        "freezing rate 0.99: 19 configurations of the family (1 seed each),"
        " too few to tell which region is best:"
        " 20 are needed."
    )
    assert enough.best == LEAST
    assert "the best 3 of 20" in enough.sentence
    assert [line(count).best for count in (31, 40, 41)] == [4, 4, 5]


@pytest.mark.parametrize("kind", ["nothing", "rates and seeds", "layers and rounds", "all collapsed"])
def test_a_study_that_searched_no_member_has_no_regions(studies, kind):
    assert searched_regions(by_configuration(studies[kind])) == []


def test_named_scores_are_drawn_in_the_plane(made):
    trials = [
        trial
        for number, (name, accuracy) in enumerate(
            (
                ("magnitude", 0.5),
                ("gradient", 0.6),
                ("snip", 0.7),
                ("grasp", 0.8),
                ("random", 0.9),
                ("snip", 0.6),
            )
        )
        for trial in made(number, (accuracy,), name)
    ]
    figure = family(by_configuration(trials))
    points = {
        axes.get_title().split("\n")[0]: sorted(tuple(c.get_offsets()[0].tolist()) for c in axes.collections)
        for axes in figure.axes
        if axes.get_title()
    }
    assert points == {
        "weights": [(0.0, 1.0)],
        "loss": [(1.0, 0.0), (1.0, 1.0), (1.0, 1.0)],
        "signed": [(pytest.approx(0, abs=0.5), 0.0)],  # GraSP, the best
    }


def test_signed_scores_are_drawn_by_accuracy(searched):
    """They all have p = r = 1: in the plane one would hide the others."""
    fields = [{"functional": name, "form": "signed"} for name in ("loss", "gradient_flow")]
    found = searched(6, lambda place: 0.9 - 0.04 * place, lambda place: fields[place % 2])
    (axes,) = (each for each in family(found).axes if each.get_title())
    assert axes.get_title() == "signed\nfreezing rate 0.99"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["gradient_flow", "loss"]
    spots = sorted(tuple(each.get_offsets()[0].tolist()) for each in axes.collections)
    flow, loss = ([y for x, y in spots if round(x) == place] for place in (0, 1))
    assert flow == pytest.approx([-0.1, -0.1, -0.04])  # -0.12 and -0.2 are as dark as -0.1
    assert loss == pytest.approx([-0.1, -0.08, 0.0])


def test_the_best_tenth_is_ringed(studies):
    figure = family(by_configuration(studies["the score family"]))
    rings = [
        tuple(each.get_offsets()[0].tolist())
        for axes in figure.axes
        if axes.get_title()  # not the bar of colours
        for each in axes.collections
        if not len(each.get_facecolors()) and len(each.get_offsets()) == 1
    ]
    assert sorted(p for p, _ in rings) == pytest.approx([8 / 24, 9 / 24, 10 / 24])


def test_kinds_and_scores_look_different():
    inks = [(score_ink(name)["color"], score_ink(name)["marker"]) for name in (*SCORES, *KINDS)]
    assert len(set(inks)) == len(inks)
    assert (
        score_ink("gss(loss)")["color"]
        == score_ink("gss(loss, signed)")["color"]
        == score_ink("snip")["color"]
    )


def test_the_page_has_a_column_per_density(studies):
    made = make_report("made", record(QUESTIONS[1]), studies["the score family"])
    text = " ".join(Page(page(made).decode()).text.split())
    assert "too few to tell which region is best: 20 are needed" in text
    assert "loss (2 of 16), synflow (1 of 7)" in text
    assert "A sampler that learns repeats good combinations" in text


def test_the_table_has_each_configuration_of_the_family(studies):
    found = by_configuration(studies["the score family"])
    frame = pd.read_parquet(io.BytesIO(parquet(family_frame(found))))
    assert len(frame) == 28
    assert frame[frame.best].configuration.tolist() == [9, 10, 11]
    assert frame.p[frame.configuration == 9].item() == 8 / 24
    assert frame.functional.isna().sum() == 1  # p = 0
    assert family_frame([]).empty


def test_within_a_decade_the_best_are_not_simply_the_densest(made):
    """Accuracy falls with the density, alike for all; of each pair of the same density loss is better."""
    trials = [
        trial
        for place in range(40)
        for trial in made(
            1 + place,
            (0.9 - 0.01 * (place // 2) - 0.005 * (place % 2),),
            rate=str(1 - Decimal("0.09") * Decimal(10) ** -(Decimal(place // 2) / 25)),
            axis=False,
            selection={"target": {"functional": ("loss", "synflow")[place % 2], "p": 1 + place / 40}},
        )
    ]
    (region,) = searched_regions(by_configuration(trials))
    assert region.texts["functional"] == "loss (4 of 20)"
    assert region.verdict == "more than chance: functional"


def test_kinds_differ_by_hand():
    """Ranks 1 2 3 against 4 5 6: H = 12 / 42 (36 / 3 + 225 / 3) - 21 = 27 / 7, chi-squared of one degree."""
    apart = [("a", 0.1), ("a", 0.2), ("a", 0.3), ("b", 0.4), ("b", 0.5), ("b", 0.6)]
    assert differ(apart) == pytest.approx(math.erfc(math.sqrt(27 / 7 / 2)))
    assert differ([("a", 0.1), ("a", 0.2)]) == differ([("a", 0.1), ("b", 0.1)]) == differ([]) == 1.0


def test_an_outlier_does_not_move_the_trend():
    line = [(x / 10, 3 * x / 10) for x in range(10)]
    assert trend([*line, (1.0, -50.0)]) == pytest.approx(3.0)
    assert trend([(0.5, 1.0), (0.5, 2.0)]) == trend([]) == 0.0
