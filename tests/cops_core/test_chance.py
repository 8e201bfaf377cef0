"""A trained network that is no better than guessing is said to be at chance."""

import pytest
import torch
from scipy.stats import binom

from cops_core.chance import LEVEL, at_chance
from cops_core.config import Selection, Training, TrialConfig
from cops_core.trial import Trial

BALANCED = torch.arange(200) % 10
UNEVEN = torch.tensor([0] * 150 + [1] * 50)


@pytest.mark.parametrize(
    ("accuracy", "labels", "expected"),
    [
        (0.10, BALANCED, True),
        (0.05, BALANCED, True),
        (0.13, BALANCED, True),
        (0.20, BALANCED, False),
        (0.75, UNEVEN, True),  # always the frequent class
        (0.60, UNEVEN, True),
        (0.90, UNEVEN, False),
        (1.00, torch.tensor([0, 1, 0, 1]), True),  # four coins
        (1.00, torch.tensor([0, 0, 0, 0]), True),
    ],
)
def test_chance_is_the_most_frequent_class(accuracy, labels, expected):
    assert at_chance(accuracy, labels) is expected


def test_the_bound_is_that_of_the_binomial_distribution():
    first = next(correct for correct in range(201) if not at_chance(correct / 200, BALANCED))
    assert binom.sf(first - 1, 200, 0.1) < LEVEL <= binom.sf(first - 2, 200, 0.1)


def trained(**changes) -> Trial:
    trial = Trial(
        TrialConfig(
            **{
                "arm": "prune",
                "density": "0.2",
                "selection": Selection(target="magnitude"),
                "training": Training(epochs=2),
                **changes,
            }
        )
    )
    while not trial.done:
        trial.step()
    return trial


def test_a_trial_says_so():
    good = trained()
    assert (good.status, good.facts["at_chance"]) == ("finished", False)
    idle = trained(density="0.01", training=Training(epochs=1, learning_rate=1e-9))
    assert (idle.status, idle.facts["at_chance"]) == ("finished", True)
    assert 0 < idle.metrics.validation_accuracy < 0.2


def test_it_is_part_of_a_trials_state():
    trial = trained()
    again = Trial(trial.config)
    again.load_state(trial.state())
    assert again.facts["at_chance"] is False


def test_a_collapsed_network_is_at_chance():
    trial = trained(density="0.0001")
    assert (trial.status, trial.facts["at_chance"]) == ("collapsed", True)
