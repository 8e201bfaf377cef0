"""What closing evaluates: the best on validation at each rate, and all baselines."""

import math
from decimal import Decimal

from cops_core.config import Selection, TrialConfig
from study.analysis.configurations import by_configuration
from study.networks.close import choose
from study.records.trial import StudyTrial

RANDOM = Selection(target="random")


def made(configuration, accuracies, rate=None, status="finished", *, baseline=False, arm="freeze"):
    """The trials of a configuration, one per accuracy."""
    config = TrialConfig() if arm == "dense" else TrialConfig(arm=arm, selection=RANDOM, density="0.1")
    trials = []
    for seed_index, accuracy in enumerate(accuracies):
        trial = StudyTrial(
            number=10 * configuration + seed_index,
            config=config,
            configuration=configuration,
            seed_index=seed_index,
            baseline=baseline,
            rate=None if rate is None else Decimal(rate),
            status=status,
        )
        if not math.isnan(accuracy):
            trial.add_row({"epoch": 1, "validation_accuracy": accuracy})
        trials.append(trial)
    return trials


def numbers(trials, top):
    return [found.number for found in choose(by_configuration([t for ts in trials for t in ts]), top)]


def test_the_best_of_each_rate_and_all_baselines_are_chosen():
    trials = [
        made(0, (0.99, 0.98), arm="dense", baseline=True),
        made(1, (0.1, 0.2), "0.9", baseline=True),
        made(2, (0.6, 0.8), "0.9"),
        made(3, (0.9, 0.4), "0.9"),
        made(4, (0.5, 0.5), "0.9"),
        made(5, (0.2, 0.3), "0.99"),
        made(6, (0.3, 0.3), "0.99"),
    ]
    assert numbers(trials, 1) == [0, 1, 2, 6]
    assert numbers(trials, 2) == [0, 1, 2, 3, 5, 6]
    assert numbers(trials, 9) == [0, 1, 2, 3, 4, 5, 6]


def test_incomplete_configurations_are_not_chosen():
    trials = [
        made(0, (0.9, 0.9), status="stopped"),
        made(1, (0.95, 0.9), status="diverged"),
        made(2, (0.99,)),
        made(3, (0.4, 0.5)),
        made(4, (math.nan, math.nan), status="failed"),
        made(5, (0.1, 0.1), status="collapsed"),
    ]
    assert numbers(trials, 5) == [3, 5]


def test_without_rates_the_dense_trial_displaces_no_other():
    trials = [made(0, (0.9,), arm="dense"), made(1, (0.7,)), made(2, (0.8,)), made(3, (0.8,))]
    assert numbers(trials, 1) == [0, 2]
