"""The figure of a study: a PNG without a display, its points the best of each method."""

import io
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image

from cops_core.config import Selection, TrialConfig
from study.configurations import by_configuration
from study.figures.rates import MOST_METHODS, accuracy_by_rate, curves

RATES = ("0.9", "0.99", "0.995")


@pytest.fixture
def trial(ended):
    """Makes a trial of a method at a rate; None makes the rate no axis."""

    def make(number, accuracy, method="snip", rate="0.99", seed=0, axis=True):
        config = (
            TrialConfig()
            if method == "dense"
            else TrialConfig(arm="freeze", selection=Selection(target=method), density=1 - Decimal(rate))
        )
        own = None if method == "dense" or not axis else Decimal(rate)
        return ended(
            number, accuracies=(accuracy,), configuration=number, seed_index=seed, rate=own, config=config
        )

    return make


def pixels(png):
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def inked(png, colour):
    """How many pixels are of that colour."""
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return int((np.abs(pixels(png) - wanted).sum(axis=2) < 12).sum())


def test_each_method_has_a_colour_of_its_own(trial):
    trials = [trial(0, 0.97, "dense")]
    trials += [trial(1 + place, 0.9 - 0.1 * place, "snip", rate) for place, rate in enumerate(RATES)]
    one = accuracy_by_rate(trials)
    trials += [trial(5 + place, 0.8 - 0.1 * place, "grasp", rate) for place, rate in enumerate(RATES)]
    two = accuracy_by_rate(trials)
    assert inked(one, "#0072B2") > 100  # blue for the best
    assert inked(one, "#D55E00") == 0  # vermilion for the second, which is not there
    assert inked(two, "#0072B2") > 100
    assert inked(two, "#D55E00") > 100


def test_intervals_are_drawn_where_there_are_several_seeds(trial):
    single = [trial(number, 0.5 + 0.1 * number, rate=rate) for number, rate in enumerate(RATES)]
    several = [
        trial(number, 0.5 + 0.1 * number + 0.05 * (seed - 0.5), rate=rate, seed=seed)
        for number, rate in enumerate(RATES)
        for seed in range(2)
    ]
    blue = "#0072B2"
    assert inked(accuracy_by_rate(several), blue) > inked(accuracy_by_rate(single), blue) + 300


def test_a_study_of_which_nothing_has_finished_has_a_figure(trial, ended):
    assert pixels(accuracy_by_rate([])).size
    assert pixels(accuracy_by_rate([ended(0, "failed", ())])).size
    assert pixels(accuracy_by_rate([trial(0, 0.9, "dense")])).size


def test_a_point_is_the_best_of_the_method_at_the_rate(trial):
    trials = [
        trial(0, 0.5, rate="0.99"),
        trial(1, 0.7, rate="0.99"),
        trial(2, 0.6, rate="0.9"),
        trial(3, 0.4, "grasp"),
        trial(4, 0.9, "dense"),
    ]
    found = dict(curves(by_configuration(trials)))
    assert {name: [point.number for point in points] for name, points in found.items()} == {
        "freeze snip": [2, 1],
        "freeze grasp": [3],
    }


def test_where_the_rate_is_searched_a_line_is_the_front_of_the_method(trial):
    drawn = [("0.9", 0.8), ("0.95", 0.7), ("0.97", 0.75), ("0.99", 0.5)]
    trials = [trial(number, accuracy, rate=rate, axis=False) for number, (rate, accuracy) in enumerate(drawn)]
    found = dict(curves(by_configuration(trials)))
    assert [point.number for point in found["freeze snip"]] == [0, 2, 3]
    assert pixels(accuracy_by_rate(trials)).size


def test_more_methods_than_can_be_told_apart_leave_out_the_worst(ended):
    def figure(best, worst):
        count = MOST_METHODS + 3
        accuracies = [worst] * 3 + [0.3] * (count - 4) + [best]
        configs = [
            TrialConfig(arm="freeze", selection=Selection(target="snip", rounds=2 + number), density="0.01")
            for number in range(count)
        ]
        return accuracy_by_rate(
            [
                ended(
                    number, accuracies=(accuracy,), configuration=number, rate=Decimal("0.99"), config=config
                )
                for number, (accuracy, config) in enumerate(zip(accuracies, configs, strict=True))
            ]
        )

    assert (pixels(figure(0.9, 0.1)) == pixels(figure(0.9, 0.2))).all()
    assert (pixels(figure(0.9, 0.1)) != pixels(figure(0.8, 0.1))).any()
