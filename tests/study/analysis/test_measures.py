"""Questions and seeds under a measure to minimise: less is better, also for samplers."""

import math
from decimal import Decimal

import pytest

from cops_core.trainers import ACCURACY, Measure
from search_spaces.question import Pareto, Rates, Smallest
from study.analysis.statistics import interval
from study.analysis.words import measured

LOSS = Measure(name="validation_loss", direction="minimize", worst=5.0)


class Configuration:
    """What answers use of a configuration."""

    status = "finished"
    trained_parameters = None
    stored_bytes = 100.0
    shown_size = "100 B"
    number = 0

    def __init__(self, method, mean, density=1.0, rate=None, measure=LOSS):
        self.method = self.detailed_method = method
        self.mean, self.density, self.measure = mean, density, measure
        self.rate = None if rate is None else Decimal(rate)
        self.arm = method.split()[0]

    @property
    def quality(self):
        return self.measure.quality(self.mean)

    @property
    def shown_mean(self):
        return f"{self.mean:{self.measure.spec}}"

    shown_accuracy = shown_mean


DENSE = Configuration("dense", 2.0)
SPARSE = Configuration("freeze snip", 2.01, density=0.1, rate="0.9")
SPARSER = Configuration("prune snip", 2.5, density=0.01, rate="0.9")


def test_the_lowest_loss_is_the_best_of_a_rate():
    found = Rates((Decimal("0.9"),)).answer([DENSE, SPARSER, SPARSE])
    assert [each.method for each in found.configurations] == ["dense", "freeze snip", "prune snip"]
    assert "validation loss of 2.0100" in found.headline
    assert "validation loss" in found.title


def test_smallest_allows_a_loss_that_is_a_little_larger():
    question = Smallest(Decimal("0.99"))
    found = question.answer([DENSE, SPARSE, SPARSER])
    assert [each.method for each in found.configurations] == ["freeze snip", "dense"]
    assert "loss 2.0000" in found.title
    assert question.constraint(LOSS.quality(2.0 / 0.98), LOSS.quality(2.0)) > 0
    assert question.constraint(LOSS.quality(2.0 / 0.995), LOSS.quality(2.0)) < 0
    assert question.constraint(0.97, 1.0) == pytest.approx(0.02)  # of accuracies as before


def test_the_front_has_low_losses_and_low_costs():
    worse = Configuration("prune random", 2.6, density=0.02)
    found = Pareto().answer([DENSE, SPARSE, SPARSER, worse])
    assert [each.method for each in found.configurations] == ["dense", "freeze snip", "prune snip"]
    assert "loss and density" in found.title


def test_the_sentence_names_the_measure():
    assert "validation loss" in Rates().about(LOSS)
    assert Rates().about(ACCURACY) == Rates().sentence


def test_values_are_shown_as_what_they_are():
    assert measured(interval([2.0]), LOSS).startswith("2.0000")
    assert measured(interval([0.5]), ACCURACY).startswith("50.00")
    assert math.isclose(LOSS.quality(2.0), -2.0)
