"""A configuration's trials on several seeds: the seeds are shared, raced, and reported as their mean."""

from collections import Counter

import pytest
from optuna.trial import TrialState

from search_spaces.question import Rates

from .proposed import RATES, finish, run_all


def test_every_configuration_has_the_same_seeds(search_plan):
    subject = search_plan(trials=12, seeds=3, racing=False)
    trials = run_all(subject)
    assert len(trials) == 36 == subject.size
    assert [t.seed_index for t in trials] == [0, 1, 2] * 12
    seeds = {t.seed_index: t.config.seed for t in trials}
    assert len(set(seeds.values())) == 3
    assert all(t.config.seed == seeds[t.seed_index] for t in trials)
    for index in range(12):
        configs = {t.config.changed(seed=0) for t in trials if t.configuration == index}
        assert len(configs) == 1


def test_the_sampler_receives_the_mean_over_the_seeds(search_plan):
    subject = search_plan(question=Rates(RATES[:1]), trials=5, seeds=3, racing=False)
    accuracies = iter([0.9] * 3 + [0.5, 0.6, 0.7] + [0.2, 0.3, 0.1] + [0.8] * 6)
    run_all(subject, lambda trial: next(accuracies))
    (study,) = subject.histories.values()
    assert [t.value for t in study.trials] == pytest.approx([0.6, 0.2, 0.8, 0.8])


def test_the_sampler_receives_nothing_before_the_last_seed_has_ended(search_plan):
    subject = search_plan(question=Rates(RATES[:1]), trials=5, seeds=2, racing=False)
    trials = [subject.ask() for _ in range(4)]
    (study,) = subject.histories.values()
    finish(subject, trials[2])
    assert study.trials[0].state == TrialState.RUNNING
    finish(subject, trials[3])
    assert study.trials[0].state == TrialState.COMPLETE


def test_a_configuration_that_cannot_win_gets_no_further_seeds(search_plan):
    """The baselines show how little seeds differ; from then on, 0.3 cannot win against 0.9."""
    subject = search_plan(question=Rates(RATES[:1]), trials=9, seeds=3)
    good = {1: 0.9, 2: 0.88, 5: 0.91}

    def accuracy(trial):
        return good.get(trial.configuration, 0.3) + 0.001 * trial.seed_index * (-1) ** trial.configuration

    trials = run_all(subject, accuracy)
    counts = Counter(trial.configuration for trial in trials)
    assert [counts[number] for number in range(3)] == [3, 3, 3]  # baselines are not raced
    assert counts[5] == 3
    assert {counts[number] for number in (3, 4, 6, 7, 8)} == {1}
    (study,) = subject.histories.values()
    raced_out = study.trials[3 - 1]
    assert raced_out.state == TrialState.PRUNED
    assert raced_out.intermediate_values == {1: pytest.approx(0.3)}


def test_while_a_race_is_open_the_next_trial_waits_if_nothing_else_is_left(search_plan):
    subject = search_plan(question=Rates(RATES[:1]), trials=4, seeds=2)
    for _ in range(6):
        finish(subject, subject.ask())
    last = subject.ask()
    assert not subject.exhausted
    assert subject.waiting
    finish(subject, last, 0.95)
    assert not subject.waiting
    finish(subject, subject.ask())
    assert subject.exhausted
