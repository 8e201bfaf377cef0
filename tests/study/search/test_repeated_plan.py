"""A plan of known configurations on common seeds: its order, and how it is resumed."""

import pytest

from cops_core.config import Selection, TrialConfig
from cops_core.errors import InputError
from study.search.repeated_plan import RepeatedPlan

CONFIGS = [
    TrialConfig(arm="freeze", selection=Selection(target=target), density="0.01", test=True)
    for target in ("snip", "magnitude", "random")
]
SEEDS = (7, 8)


def plan(configs=CONFIGS):
    return RepeatedPlan("mine", configs, SEEDS)


def all_of(asked):
    found = []
    while not asked.exhausted:
        found.append(asked.ask())
    return found


def test_every_configuration_has_a_seed_before_the_next_seed():
    trials = all_of(plan())
    assert [(t.number, t.configuration, t.seed_index, t.config.seed) for t in trials] == [
        (0, 0, 0, 7),
        (1, 1, 0, 7),
        (2, 2, 0, 7),
        (3, 0, 1, 8),
        (4, 1, 1, 8),
        (5, 2, 1, 8),
    ]
    assert [trial.config for trial in trials[3:]] == [config.changed(seed=8) for config in CONFIGS]
    assert (plan().configurations, plan().size, len(plan().samples)) == (3, 6, 3)
    assert plan().example == CONFIGS[0].changed(seed=7)


def test_a_turn_is_one_seed_of_all():
    asked, turns = plan(), []
    while not asked.exhausted:
        asked.ask()
        turns.append(asked.mid_turn)
    assert turns == [True, True, False, True, True, False]
    assert len(plan().forecast.certain) == 6
    assert asked.forecast.certain == []


def test_recorded_trials_are_not_handed_out_again():
    trials = all_of(plan())
    again = plan()
    for trial in trials[:4]:
        again.recall(trial)
    assert [trial.number for trial in all_of(again)] == [4, 5]


def test_a_changed_trial_and_a_missing_record_are_refused():
    trials = all_of(plan())
    with pytest.raises(InputError, match=r"trial 0 of 'mine' is another one now .*target 'snip', now 'magn"):
        plan(CONFIGS[1:]).recall(trials[0])
    with pytest.raises(InputError, match="the record of trial 0 of 'mine' is missing"):
        plan().recall(trials[1])
