"""Experiments: chosen on validation, judged on the test part, resumed where they were cut off."""

import io
from decimal import Decimal

import numpy as np
import pytest
from rich.console import Console

from cops_core.config import Training
from cops_core.errors import InputError
from study.papers.experiments import EXPERIMENTS
from study.papers.experiments.base import Asked
from study.papers.experiments.cops_pairs import CopsPairs, difference, family, markdown, verdicts
from study.papers.experiments.fixed import run_fixed
from study.papers.experiments.freezenet import FreezeNetRates, Setting
from study.papers.experiments.iterated_snip import VARIANTS, IteratedSnip
from study.papers.experiments.run import make_experiment, run_experiment
from study.records.store import StudyStore
from study.run.outcome import StudyOutcome
from study.search.fixed_plan import FixedPlan

SMALL = CopsPairs(
    dataset="digits",
    scores=("snip", "magnitude"),
    rates=(Decimal("0.98"),),
    levels=(0.5,),
    rounds=(1, 2),
    training=Training(epochs=1),
    selection_seeds=1,
    judge_seeds=2,
)


def test_every_variant_competes_and_no_seed_both_chooses_and_judges():
    experiment = CopsPairs()
    candidates = list(experiment.candidates())
    assert len(candidates) == len(set(candidates)) == 2 * (4 + 12 * 2)
    assert len({family(candidate) for candidate in candidates}) == 4 + 12
    selection = experiment.selection_trials()
    assert len(selection) == len(candidates) * 3 * 2
    chosen = {(rate, family(c)): c for c in candidates for rate in experiment.rates}
    judging = experiment.judge_trials(chosen)
    assert len(judging) == 16 * 3 * 5
    assert not {config.seed for config in selection} & {config.seed for config in judging}
    assert not any(config.test for config in selection)
    assert all(config.test for config in judging)


def fake(ended, configs, accuracy):
    trials = [ended(number, accuracies=(0.0,), config=config) for number, config in enumerate(configs)]
    for trial in trials:
        trial.rows[-1]["validation_accuracy"] = accuracy(trial.config)
        trial.facts["test_accuracy"] = accuracy(trial.config) - 0.1
    return trials


def test_the_best_on_validation_is_chosen_and_judged_in_pairs(ended):
    def accuracy(config):
        selection = config.selection
        return 0.5 + 0.1 * len(selection.controls) + 0.01 * selection.rounds + 1e-12 * config.seed

    experiment = SMALL
    selection = fake(ended, experiment.selection_trials(), accuracy)
    chosen = experiment.choose(selection)
    assert {candidate.rounds for candidate in chosen.values()} == {2}
    judged = fake(ended, experiment.judge_trials(chosen), accuracy)
    found = verdicts(selection, judged)
    assert len(found) == 4
    pair, single, gain = difference(found, Decimal("0.98"))
    assert pair.chosen.controls
    assert not single.chosen.controls
    assert gain.mean == pytest.approx(0.1)
    assert gain.half_width == pytest.approx(0.0, abs=1e-9)
    assert "+10.0% ± 0.0% (2)" in markdown(experiment, found)


def test_all_single_scores_and_the_best_pairs_are_judged(ended):
    experiment = CopsPairs(judged_pairs=3)
    better = {"snip", "synflow"}

    def accuracy(config):
        names = set(config.selection.scores)
        return (
            0.5 + 0.1 * len(names & better) * (len(names) > 1) + 1e-3 * (config.selection.scores[0] == "snip")
        )

    chosen = experiment.choose(fake(ended, experiment.selection_trials(), accuracy))
    for rate in experiment.rates:
        families = [name for here, name in chosen if here == rate]
        assert len(families) == 4 + 3
        assert {"magnitude", "snip", "grasp", "synflow"} < set(families)
        assert {"cops(snip; synflow)", "cops(synflow; snip)"} < set(families)


def test_an_unknown_experiment_is_told_the_nearest():
    with pytest.raises(InputError, match="did you mean 'cops_pairs'"):
        make_experiment("cop_pairs", Asked(dataset="digits", seeds=2))


@pytest.mark.slow
def test_an_experiment_runs_and_a_second_call_runs_nothing_again(settings, tmp_path, monkeypatch):
    output = io.StringIO()
    console = Console(file=output, width=200)
    chosen = settings(trials=1)
    table = run_experiment("small", SMALL, chosen, console)
    store = StudyStore(chosen.storage_uri, "small-judging")
    judged = store.trials()
    assert len(StudyStore(chosen.storage_uri, "small-selection").trials()) == 8
    assert len(judged) == 8
    assert all(0 <= trial.facts["test_accuracy"] <= 1 for trial in judged)
    assert table.count("\n| ") == 5  # the heading and four families
    assert "paired by seed" in output.getvalue()

    monkeypatch.setattr(
        "study.papers.experiments.fixed.run_study", lambda *a: pytest.fail("ran a trial twice")
    )
    assert run_experiment("small", SMALL, chosen, console) == table


def test_a_trial_that_is_missing_is_said(settings, ended, monkeypatch):
    monkeypatch.setattr(
        "study.papers.experiments.fixed.run_study", lambda plan, *a: StudyOutcome(_Nothing(plan), [])
    )
    with pytest.raises(InputError, match="8 of 8 trials of test are not finished"):
        run_fixed(SMALL.selection_trials(), settings(), Console(file=io.StringIO()))


class _Nothing:
    def __init__(self, make_plan):
        plan = make_plan([])
        assert isinstance(plan, FixedPlan)
        assert np.isfinite(plan.size)
        self.trials = []


def test_every_experiment_has_a_name_that_the_command_knows(settings):
    for name, kind in EXPERIMENTS.items():
        words = Asked(dataset="digits", model="lenet_5_caffe", seeds=3, epochs=7, rates=(Decimal("0.9"),))
        asked = make_experiment(name, words)
        assert type(asked) is kind
        assert asked.rates == (Decimal("0.9"),)
        one = asked.always[0] if isinstance(asked, FreezeNetRates) else asked
        seeds = one.seeds if isinstance(one, Setting) else one.judge_seeds
        assert (one.dataset, one.model, seeds, one.training.epochs) == ("digits", "lenet_5_caffe", 3, 7)
        with pytest.raises(InputError, match="unknown model 'lenet_5': did you mean"):
            make_experiment(name, Asked(model="lenet_5"))


def test_iterated_snip_says_how_many_classes_are_left(ended):
    """Four of ten classes are cut off in one variant, none in the others: 60 % is then all there is."""
    asked = IteratedSnip(judge_seeds=2)
    studies = []

    def run(part, configs):
        studies.append(part)
        trials = []
        for number, config in enumerate(configs):
            live = 6 if config.selection.fresh_batches else 10
            trial = ended(number, config=config)
            trial.facts |= {
                "test_accuracy": 0.81 * live / 10,
                "connectivity": {"outputs": 10, "live_outputs": live},
            }
            trials.append(trial)
        return trials

    table = asked.answer(run, lambda dataset: True).markdown
    assert studies == ["trials"]
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if "%" in line}
    assert set(VARIANTS) <= set(rows)
    assert "81.0% ± 0.0% (2) | 10, 10 | 81.0%, 81.0% |" in rows["one batch for all rounds"]
    assert "48.6% ± 0.0% (2) | 6, 6 | 48.6%, 48.6% |" in rows["a fresh batch each round"]
    assert "4 of these networks have classes without a live path" in table
    assert "81.0% of the share of the other classes" in table


def test_freezenet_compares_every_method_with_dense(ended):
    """Accuracies that differ by method: each must stand in its own column, beside its share of dense."""
    asked = FreezeNetRates(rates=(Decimal("0.9"), Decimal("0.999")))
    accuracy = {"dense": 0.8, "prune": 0.4, "freeze": 0.6, "freeze_wd": 0.5}
    parts = {}

    def run(part, configs):
        parts[part] = configs
        trials = []
        for number, config in enumerate(configs):
            random = config.selection is not None and config.selection.target == "random"
            lost = config.arm == "prune" and config.density == Decimal("0.001")
            trial = ended(number, config=config, status="collapsed" if lost else "finished")
            trial.facts["test_accuracy"] = 0.1 if lost else accuracy[config.arm] - 0.2 * random
            trials.append(trial)
        return trials

    answer = asked.answer(run, lambda dataset: dataset == "mnist")
    assert {part: len(configs) for part, configs in parts.items()} == {
        "lenet_300_100-fashion_mnist-8-epochs": 5 * 9,
        "lenet_5_caffe-fashion_mnist-2-epochs": 3 * 9,
        "lenet_300_100-mnist-250-epochs": 5 * 9,
        "lenet_5_caffe-mnist-250-epochs": 5 * 9,
    }
    table = answer.markdown
    assert table.count("Dense: 80.0% ± 0.0% (5)") == 3
    assert "Not run, data not at hand: vgg16 on cifar10, 250 epochs, 3 seeds; resnet18 on" in table
    first, last = [line.split(" | ") for line in table.splitlines() if line.startswith("| 0.")][:2]
    assert [cell.split(" ")[0] for cell in first[2:]] == ["40.0%", "60.0%", "50.0%", "40.0%"]
    assert "[75.0%]" in first[3]
    assert last[2] == "10.0% ± 0.0% [12.5%, 5 collapsed]"
    assert answer.figures["freezenet.png"].startswith(b"\x89PNG")
