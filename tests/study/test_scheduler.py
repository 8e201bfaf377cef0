"""Early stopping: one race per rate, never for an anchor."""

from decimal import Decimal
from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from study.run import StudyRun
from study.runner.scheduler import RateScheduler
from study.runner.searcher import StudySearcher

LOW, HIGH = Decimal("0.9"), Decimal("0.99")


@pytest.fixture
def race(proposer, settings, ended):
    """Runs a trial to its end or stop, an epoch at a time; returns the last epoch."""
    searcher = StudySearcher(StudyRun(proposer(), []), settings(), gpus=0)
    scheduler = RateScheduler(searcher, (LOW, HIGH), epochs=9)

    def run(accuracy, rate=LOW, anchor=False):
        number = len(searcher.by_tune_id)
        trial = SimpleNamespace(trial_id=str(number))
        searcher.by_tune_id[trial.trial_id] = ended(number, "running", (), rate=rate, anchor=anchor)
        scheduler.on_trial_add(None, trial)
        for epoch in range(1, 10):
            result = {"epoch": epoch, "validation_accuracy": accuracy}
            if epoch == 9:
                scheduler.on_trial_complete(None, trial, result)
            elif scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
                scheduler.on_trial_complete(None, trial, result)
                return epoch
        return 9

    return run


def test_the_hopeless_are_stopped_and_the_best_are_not(race):
    assert [race(accuracy) for accuracy in (0.9, 0.8, 0.95, 0.1)] == [9, 1, 9, 1]


def test_rates_do_not_race_against_each_other(race):
    assert [race(accuracy) for accuracy in (0.9, 0.8)] == [9, 1]
    assert race(0.5, rate=HIGH) == 9
    assert race(0.4, rate=HIGH) == 1


def test_anchors_count_but_are_never_stopped(race):
    assert race(0.9, anchor=True) == 9
    assert race(0.1, anchor=True) == 9
    assert race(0.5) == 1


def test_without_a_rate_nothing_is_stopped(race):
    assert [race(accuracy, rate=None) for accuracy in (0.9, 0.5, 0.1)] == [9, 9, 9]
