"""Experiments: chosen on validation, evaluated on the test images, resumed after an interruption."""

import io
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from cops_core.config import TrialConfig
from cops_core.errors import InputError
from study.papers.experiments import EXPERIMENTS
from study.papers.experiments.base import ExperimentChanges
from study.papers.experiments.fixed import run_fixed
from study.papers.experiments.headline import Headline, Setting
from study.papers.experiments.iterated_snip import VARIANTS, IteratedSnip
from study.papers.experiments.run import make_experiment, run_experiment
from study.records.store import StudyStore
from study.run.outcome import StudyOutcome
from study.search.fixed_plan import FixedPlan

TINY = Setting(
    model="lenet_300_100",
    epochs=1,
    rates=(Decimal("0.98"),),
    per_method=1,
    choosing_seeds=1,
)
CONFIGS = [TrialConfig(seed=seed) for seed in range(2)]
SMALL = Headline(dataset="digits", settings=(TINY,), evaluation_seeds=2)


def test_an_unknown_experiment_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'iterated_snip'"):
        make_experiment("iterative_snip", ExperimentChanges(dataset="digits", seeds=2))


@pytest.mark.slow
def test_an_experiment_runs_and_a_second_call_runs_nothing_again(settings, tmp_path, monkeypatch):
    output = io.StringIO()
    console = Console(file=output, width=200)
    chosen = settings(trials=1)
    table = run_experiment("small", SMALL, chosen, console)
    trials = StudyStore(chosen.storage_uri, "small-lenet_300_100-1-epochs").trials()
    judged = [trial for trial in trials if trial.judges is not None]
    assert len(trials) - len(judged) == 1 + 4  # dense, SNIP pruned, FreezeNet, a single score and a pair
    assert len(judged) == 2 * (1 + 4)
    assert all(trial.config.test == (trial.judges is not None) for trial in trials)
    assert all(0 <= trial.facts["test_accuracy"] <= 1 for trial in judged)
    assert "### lenet_300_100 on digits, 1 epochs, 2 seeds" in output.getvalue()

    monkeypatch.setattr(
        "study.papers.experiments.comparison.run_study", lambda *a, **k: pytest.fail("ran a trial twice")
    )
    assert run_experiment("small", SMALL, chosen, console) == table


def test_a_missing_trial_is_reported(settings, ended, monkeypatch):
    monkeypatch.setattr(
        "study.papers.experiments.fixed.run_study", lambda plan, *a, **k: StudyOutcome(_Nothing(plan), [])
    )
    with pytest.raises(InputError, match=r"2 of 2 trials of test are not finished \(time is over\)"):
        run_fixed(CONFIGS, settings(), Console(file=io.StringIO()))


class _Nothing:
    space_error, stopped_because = None, "time is over"

    def __init__(self, make_plan):
        self.plan = plan = make_plan([])
        assert isinstance(plan, FixedPlan)
        assert np.isfinite(plan.size)
        self.trials = []


def test_every_experiment_has_a_name_that_the_command_knows(settings):
    for name, kind in EXPERIMENTS.items():
        rates = (Decimal("0.9"),)
        changes = ExperimentChanges("digits", "lenet_5_caffe", seeds=3, epochs=7, rates=rates)
        asked = make_experiment(name, changes)
        assert type(asked) is kind
        assert asked.rates == rates
        assert (asked.dataset, asked.model, asked.evaluation_seeds) == ("digits", "lenet_5_caffe", 3)
        assert asked.training.epochs == 7
        with pytest.raises(InputError, match="unknown model 'lenet_5': did you mean"):
            make_experiment(name, ExperimentChanges(model="lenet_5"))


def test_iterated_snip_shows_how_many_classes_are_left(ended):
    """One variant disconnects four of ten classes, the others none: its accuracy is at most 60 %."""
    asked = IteratedSnip(evaluation_seeds=2)
    studies = []

    def run(part, configs):
        studies.append(part)
        trials = []
        for number, config in enumerate(configs):
            live = 6 if config.selection.fresh_batches else 10
            trial = ended(number, config=config)
            trial.facts["test_accuracy"] = 0.81 * live / 10
            trial.facts["connectivity"] |= {"outputs": 10, "live_outputs": live}
            trials.append(trial)
        return trials

    table = asked.answer(SimpleNamespace(trials=run)).markdown
    assert studies == ["trials"]
    rows = {line.split(" | ")[0].removeprefix("| "): line for line in table.splitlines() if "%" in line}
    assert set(VARIANTS) <= set(rows)
    assert "81.0% ± 0.0% (2) | 10, 10 | 81.0%, 81.0% |" in rows["one batch for all rounds"]
    assert "48.6% ± 0.0% (2) | 6, 6 | 48.6%, 48.6% |" in rows["a fresh batch each round"]
    assert "4 of these networks have classes without a live path" in table
    assert "81.0% of the share of the other classes" in table
