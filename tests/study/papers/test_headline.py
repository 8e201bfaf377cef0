"""The headline experiment: equal budgets, choices by validation alone, tables of the results."""

from dataclasses import replace
from decimal import Decimal

import pytest

from cops_core.errors import InputError
from cops_core.trial import run_trial
from cops_core.trial_state import config_hash
from study.papers.experiments.base import ExperimentChanges
from study.papers.experiments.headline import (
    COMPARISONS,
    FREEZENET,
    PAIR,
    SETTINGS,
    SINGLE,
    SNIP_PRUNED,
    Headline,
    Setting,
    check_fair,
    choose,
    pairs,
    singles,
)
from study.records.trial import StudyTrial

from ..made_facts import made_facts

SMALL = Setting(
    model="lenet_300_100",
    epochs=1,
    rates=(Decimal("0.9"), Decimal("0.99")),
    arm_budget=1,
    score_budget=2,
    selection_seeds=1,
)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.model)
def test_those_that_are_compared_have_the_same_budget(setting):
    experiment = Headline()
    for rate in setting.rates:
        by_name = {each.name: each for each in experiment.contenders(setting, rate)}
        assert set(by_name) == {name for pair in COMPARISONS for name in pair}
        for first, second in COMPARISONS:
            assert by_name[first].budget == by_name[second].budget
        assert all(config.density == 1 - rate for each in by_name.values() for config in each.tried)
        assert all(len(config.selection.controls) == 0 for config in by_name[SINGLE].tried)
        assert all(len(config.selection.controls) == 1 for config in by_name[PAIR].tried)
        arms = [[config.changed(arm="freeze") for config in by_name[name].tried] for name in COMPARISONS[0]]
        assert arms[0] == arms[1]  # the same, apart from the arm


def test_the_published_settings_have_all_rates_and_enough_seeds():
    assert {setting.model for setting in SETTINGS} == {"lenet_300_100", "lenet_5_caffe"}
    assert Headline().evaluation_seeds >= 5
    for setting in SETTINGS:
        assert (min(setting.rates), max(setting.rates)) == (Decimal("0.9"), Decimal("0.999"))
    assert len(singles()) == 4 * 2
    assert len(pairs()) == 4 * 3 * 2 * 2


def test_an_unfair_comparison_is_refused():
    contenders = Headline().contenders(SMALL, Decimal("0.9"))
    check_fair(contenders)
    less = [replace(each, tried=each.tried[:1]) if each.name == PAIR else each for each in contenders]
    with pytest.raises(ValueError, match="different budgets"):
        check_fair(less)
    twice = [replace(each, tried=each.tried[:1] * 2) if each.name == PAIR else each for each in contenders]
    with pytest.raises(ValueError, match="different budgets"):
        check_fair(twice)


def test_a_budget_that_cannot_be_spent_is_refused():
    with pytest.raises(InputError, match=r"budget of 17 .* best single score, pruned: write 16"):
        Headline().contenders(replace(SMALL, score_budget=17), Decimal("0.9"))


def test_the_best_on_validation_is_chosen_and_one_that_diverged_is_not(ended):
    experiment = Headline()
    contenders = experiment.contenders(replace(SMALL, score_budget=8), Decimal("0.9"))
    seeds = [1, 2]
    configs = [config.changed(seed=seed) for each in contenders for config in each.tried for seed in seeds]
    wanted = {config_hash(each.tried[-1]) for each in contenders}
    trials = []
    for number, config in enumerate(configs):
        best = config_hash(config.changed(seed=0)) in wanted
        accuracy = 0.8 if best else float("nan") if number % 3 else 0.5 + 1e-3 * (number % 5)
        trials.append(ended(number, accuracies=(accuracy,), config=config))
    chosen = choose(contenders, seeds, trials)
    assert [config_hash(config) for config, _ in chosen] == [config_hash(c.tried[-1]) for c in contenders]
    assert [accuracy for _, accuracy in chosen] == pytest.approx([0.8] * 4)


def test_what_a_user_asks_for_reaches_every_setting():
    rates = (Decimal("0.5"),)
    changes = ExperimentChanges("digits", "lenet_5_caffe", seeds=3, epochs=7, rates=rates)
    changed = Headline().changed(changes)
    assert (changed.dataset, changed.evaluation_seeds) == ("digits", 3)
    assert [(one.model, one.epochs, one.rates) for one in changed.settings] == [("lenet_5_caffe", 7, rates)]
    assert Headline().changed(ExperimentChanges()) == Headline()


def test_it_answers_from_real_trials():
    """In this process. That recorded trials are not run again is tested for every experiment."""
    studies: dict[str, list[StudyTrial]] = {}

    def run(part, configs):
        studies[part] = [trained(number, config) for number, config in enumerate(configs)]
        return studies[part]

    experiment = Headline(dataset="digits", settings=(SMALL,), evaluation_seeds=2)
    answer = experiment.answer(run)
    selection, evaluation = studies.values()
    assert not any(trial.config.test for trial in selection)
    assert all(trial.config.test for trial in evaluation)
    assert not {trial.config.seed for trial in selection} & {trial.config.seed for trial in evaluation}
    dense, frozen = (
        [trial.facts["test_accuracy"] for trial in evaluation if trial.config.arm == arm and at(trial, "0.9")]
        for arm in ("dense", "freeze")
    )
    assert f"Dense: {sum(dense) / 2:.1%} ±" in answer.markdown
    assert f"| {sum(frozen) / 2:.1%} ±" in answer.markdown
    for name, count in ((SNIP_PRUNED, 1), (FREEZENET, 1), (SINGLE, 2), (PAIR, 2)):
        assert f"| {name} | {count} | 1 | {count} | {count} |" in answer.markdown
    assert f"{FREEZENET} minus {SNIP_PRUNED}" in answer.markdown
    assert answer.figures["headline.png"].startswith(b"\x89PNG")


def trained(number, config):
    rows = []
    result = run_trial(config, lambda metrics: rows.append(metrics.row()))
    return StudyTrial(
        number=number, config=config, status=result.status, rows=rows, facts=made_facts(**result.facts)
    )


def at(trial, rate):
    return trial.config.density in (None, 1 - Decimal(rate))
