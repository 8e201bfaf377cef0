"""The headline experiment: a study that compares methods, and the tables of its results."""

from collections import defaultdict
from dataclasses import replace
from decimal import Decimal

import pytest

from cops_core.trial import run_trial
from search_spaces import find_space
from search_spaces.headline import FREEZENET, METHODS, PAIR, SINGLE, SNIP_PRUNED
from study.papers.experiments.base import ExperimentChanges
from study.papers.experiments.headline import COMPARISONS, SETTINGS, Headline, Setting
from study.search.search_plan import SearchPlan

from ..made_facts import made_facts

SMALL = Setting(model="lenet_300_100", epochs=1, rates=(Decimal("0.9"),), per_method=2, choosing_seeds=1)


class InThisProcess:
    """Runs the parts of an experiment one trial after the other."""

    def __init__(self, settings):
        self.settings = settings
        self.trials = []

    def compare(self, part, space, question, values):
        made = self.settings(space="headline", question=question, seeds=question.choosing_seeds, **values)
        plan = SearchPlan(space, made)
        while not plan.exhausted:
            trial = plan.ask()
            result = run_trial(trial.config, lambda metrics, rows=trial.rows: rows.append(metrics.row()))
            trial.status, trial.facts = result.status, made_facts(**result.facts)
            plan.tell(trial)
            self.trials.append(trial)
        return self.trials


def test_those_that_are_compared_have_the_same_budget(search_plan):
    (setting, _), tried = SETTINGS, defaultdict(list)
    question = replace(find_space("headline").question, rates=setting.rates[:1])
    plan = search_plan("headline", question=question, per_method=setting.per_method)
    while plan.queue.left:
        trial = plan.ask()
        tried[trial.method].append(trial.config)
    assert {name: len(configs) for name, configs in tried.items()} == {
        "dense": 4,
        SNIP_PRUNED: 4,
        FREEZENET: 4,
        SINGLE: 16,
        PAIR: 16,
    }
    for first, second in COMPARISONS:
        assert len(tried[first]) == len(tried[second])
    assert all(len(config.selection.controls) == 0 for config in tried[SINGLE])
    assert all(len(config.selection.controls) == 1 for config in tried[PAIR])
    arms = [{repr(config.changed(arm="freeze")) for config in tried[name]} for name in COMPARISONS[0]]
    assert arms[0] == arms[1]  # the same, apart from the arm
    assert all(len(set(map(repr, configs))) == len(configs) for configs in tried.values())


def test_the_published_settings_have_all_rates_and_enough_seeds():
    assert {setting.model for setting in SETTINGS} == {"lenet_300_100", "lenet_5_caffe"}
    assert Headline().evaluation_seeds >= 5
    for setting in SETTINGS:
        assert (min(setting.rates), max(setting.rates)) == (Decimal("0.9"), Decimal("0.999"))
    assert {name for pair in COMPARISONS for name in pair} == set(METHODS)


def test_what_a_user_asks_for_reaches_every_setting():
    rates = (Decimal("0.5"),)
    changes = ExperimentChanges("digits", "lenet_5_caffe", seeds=3, epochs=7, rates=rates)
    changed = Headline().changed(changes)
    assert (changed.dataset, changed.evaluation_seeds) == ("digits", 3)
    assert [(one.model, one.epochs, one.rates) for one in changed.settings] == [("lenet_5_caffe", 7, rates)]
    assert Headline().changed(ExperimentChanges()) == Headline()


@pytest.mark.slow
def test_it_answers_from_real_trials(settings):
    """In this process. That recorded trials are not run again is tested for every experiment."""
    run = InThisProcess(settings)
    answer = Headline(dataset="digits", settings=(SMALL,), evaluation_seeds=2).answer(run)
    judged = [trial for trial in run.trials if trial.judges is not None]
    assert all(trial.config.test for trial in judged)
    assert {trial.config.dataset for trial in run.trials} == {"digits"}
    dense, frozen = (
        [trial.test_accuracy for trial in judged if trial.config.arm == arm] for arm in ("dense", "freeze")
    )
    assert f"Dense: {sum(dense) / 2:.1%} ±" in answer.markdown
    assert f"| {sum(frozen) / 2:.1%} ±" in answer.markdown
    for name in METHODS:
        assert f"| {name} | 2 | 1 | 2 | 2 |" in answer.markdown
    assert f"{FREEZENET} minus {SNIP_PRUNED}" in answer.markdown
    assert answer.figures["headline.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_one_choice(name):
    assert METHODS[name] == {"contender": name}
