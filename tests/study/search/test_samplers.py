"""Proposals depend on the history and the seeds alone, also in a study that was rebuilt."""

import logging
import math
import os
import subprocess
import sys
import warnings
from dataclasses import dataclass, field

import optuna
import pytest
from optuna.trial import TrialState

from cops_core.streams import derive_seed
from search_spaces.suggest import suggest_selection, suggest_training
from study.search import samplers
from study.search.samplers import POPULATION, SAMPLERS, STARTUP_TRIALS, Sampler, substitute_sampler

DIRECTIONS = {1: ("maximize",), 2: ("maximize", "minimize")}
BASELINE = {"target": "snip", "combine": False, "learning_rate": 0.05, "weight_decay": 5e-4}
# Each proposal of GP needs a fit: it gets just enough trials to show that it models.
TRIALS = {"tpe": 40, "random": 12, "qmc": 40, "nsga2": 2 * POPULATION + 12, "gp": 9}


@dataclass
class Search:
    """A study whose trials run at the same time and end in a fixed, mixed order."""

    sampler: str
    objectives: int = 1
    at_once: int = 1
    seed: int = 0
    constrained: bool = True
    proposals: list[dict] = field(default_factory=list)
    events: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self):
        self.study = optuna.create_study(directions=DIRECTIONS[self.objectives])
        self.running = {}

    def space(self, trial):
        suggest_selection(trial)
        suggest_training(trial, 3)
        if self.objectives == 2:
            trial.suggest_float("density", 0.0005, 0.5, log=True)

    def ask(self, recorded=None):
        number = len(self.proposals)
        seeds = derive_seed(self.seed, "proposal", number), self.seed
        sampler = SAMPLERS[self.sampler]
        if number == 0 or recorded is not None:
            self.study.enqueue_trial(BASELINE if recorded is None else recorded)
        replayed = recorded is not None and not sampler.replays
        self.study.sampler = substitute_sampler() if replayed else sampler.make(*seeds)
        trial = self.study.ask()
        self.space(trial)
        self.running[number] = trial
        self.proposals.append(trial.params)
        self.events.append(("ask", number))

    def tell(self, number):
        trial = self.running.pop(number)
        accuracy, density = outcome(trial.params)
        if self.constrained and number % 7 != 3:
            trial.set_constraint("diverged", 1.0 if number % 11 == 10 else 0.0)
            trial.set_constraint("accuracy", 0.3 - accuracy)
        if number % 7 == 3:
            self.study.tell(trial, state=TrialState.FAIL)
        elif number % 5 == 4 and self.objectives == 1:
            trial.report(accuracy / 2, 1)
            self.study.tell(trial, state=TrialState.PRUNED)
        elif number % 5 == 4:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, (accuracy, density)[: self.objectives])
        self.events.append(("tell", number))

    def run_until(self, trials):
        """Run until so many trials have ended; sometimes the newest running trial ends first."""
        while len(self.proposals) < trials or self.running:
            if len(self.proposals) < trials and len(self.running) < self.at_once:
                self.ask()
            else:
                order = sorted(self.running)
                self.tell(order[-1] if (order[0] + len(self.proposals)) % 3 == 0 else order[0])
        return self

    def rebuilt(self, events):
        """This search, rebuilt from its record after so many events."""
        other = Search(self.sampler, self.objectives, self.at_once, self.seed, self.constrained)
        for event, number in self.events[:events]:
            if event == "ask":
                other.ask(recorded=self.proposals[number])
            else:
                other.tell(number)
        assert other.proposals == self.proposals[: len(other.proposals)]
        return other


def outcome(parameters):
    """An accuracy and a density: smooth, and best within the space."""
    level = parameters.get("level", 0.5)
    rate = math.log10(parameters["learning_rate"])
    bonus = {"magnitude": 0.0, "snip": 0.1, "grasp": 0.05, "synflow": 0.08}[parameters["target"]]
    accuracy = 0.8 + bonus - (rate + 1.2) ** 2 / 4 - (level - 0.3) ** 2 / 2
    density = parameters.get("density", 0.1)
    return accuracy + math.log10(density) / 20, density


# A grid proposes nothing: all of its parameters are fixed.
EVERY = pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "grid"])
OBJECTIVES = pytest.mark.parametrize("objectives", [1, 2])


@EVERY
@pytest.mark.parametrize(("objectives", "at_once"), [(1, 1), (1, 2), (2, 3)])
@pytest.mark.parametrize("step", [27, pytest.param(9, marks=pytest.mark.slow)])
def test_a_rebuilt_study_continues_as_if_never_interrupted(name, objectives, at_once, step):
    trials = TRIALS[name]
    whole = Search(name, objectives, at_once).run_until(trials)
    cuts = (13,) if name == "gp" else range(5, 2 * trials, step)
    for cut in cuts:
        other = whole.rebuilt(cut).run_until(trials)
        assert other.events == whole.events
        assert other.proposals == whole.proposals, cut


@EVERY
def test_the_seed_and_the_history_decide(name):
    trials = min(TRIALS[name], 9)
    first, again, other = (Search(name, seed=seed).run_until(trials).proposals for seed in (0, 0, 1))
    assert first == again
    assert all(mine != theirs for mine, theirs in zip(first[1:], other[1:], strict=True))


@pytest.mark.parametrize("name", ["tpe", "nsga2", "gp"])
def test_the_results_that_the_sampler_receives_matter(name, monkeypatch):
    """Otherwise the test above would also pass for a study that was rebuilt without its history."""
    trials = TRIALS[name]
    first = Search(name).run_until(trials).proposals
    true = outcome
    monkeypatch.setattr(sys.modules[__name__], "outcome", lambda p: (1 - true(p)[0], true(p)[1]))
    other = Search(name).run_until(trials).proposals
    modelled = POPULATION if name == "nsga2" else STARTUP_TRIALS
    assert first[:modelled] == other[:modelled]
    assert first != other


STATEFUL = pytest.mark.parametrize("name", [name for name, sampler in SAMPLERS.items() if sampler.replays])


@STATEFUL
def test_samplers_with_state_must_replay(name, monkeypatch):
    whole = Search(name, at_once=2).run_until(TRIALS[name])
    monkeypatch.setitem(samplers.SAMPLERS, name, Sampler(SAMPLERS[name].draw, replays=False))
    assert whole.rebuilt(TRIALS[name]).run_until(TRIALS[name]).proposals != whole.proposals


@STATEFUL
def test_samplers_with_state_must_draw_for_each_proposal(name, monkeypatch):
    """Optuna draws nothing for a trial whose parameters are all enqueued."""
    monkeypatch.setattr(samplers, "SingleProposalSampler", lambda sampler, *about, **more: sampler)
    whole = Search(name, at_once=2).run_until(TRIALS[name])
    assert whole.rebuilt(TRIALS[name]).run_until(TRIALS[name]).proposals != whole.proposals


def test_the_note_on_a_running_trial_would_change_what_follows(monkeypatch):
    """So the note is emptied: no record contains it."""
    emptied = Search("tpe", at_once=2).run_until(TRIALS["tpe"])
    monkeypatch.setattr(samplers, "SingleProposalSampler", lambda sampler, *about, **more: sampler)
    kept = Search("tpe", at_once=2).run_until(TRIALS["tpe"])
    assert emptied.proposals != kept.proposals
    rebuilt = [kept.rebuilt(cut).run_until(TRIALS["tpe"]).proposals for cut in (21, 31, 41, 51)]
    assert any(proposals != kept.proposals for proposals in rebuilt)


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_the_notes_have_the_names_that_are_emptied(name):
    """Optuna chooses the names. If it changed them, the notes would stay."""
    search = Search(name, at_once=2).run_until(STARTUP_TRIALS + 4)
    attributes = [trial.system_attrs for trial in search.study.trials]
    assert {key for some in attributes for key in some if "params" in key} == {
        "fixed_params",
        f"{name}:relative_params:0",
    }
    assert {some.get(f"{name}:relative_params:0") for some in attributes} == {""}


def test_qmc_fills_the_space_as_evenly_as_can_be():
    """Of the first 32 points of a Sobol sequence, each 32nd part of each axis has exactly one."""

    def cells(name):
        drawn = Search(name, seed=5).run_until(33).proposals[1:]  # the first is the baseline
        return {int(32 * math.log(parameters["learning_rate"] / 0.01, 20)) for parameters in drawn}

    assert cells("qmc") == set(range(32))
    assert len(cells("random")) < 26


def test_qmc_draws_conditional_parameters_anew_each_time():
    levels = [p["level"] for p in Search("qmc").run_until(40).proposals if "level" in p]
    assert len(levels) > 5
    assert len(set(levels)) == len(levels)


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_a_model_beats_chance(name):
    def best(sampler):
        trials = 20 if name == "gp" else 40
        values = [
            outcome(p)[0] for p in Search(sampler, seed=2, constrained=False).run_until(trials).proposals
        ]
        return sum(sorted(values)[-5:]) / 5

    assert best(name) > best("random")


@pytest.fixture
def silence(caplog, capfd):
    """There are no warnings, logs or prints."""
    optuna.logging.enable_propagation()
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        yield
    optuna.logging.disable_propagation()
    assert caplog.messages == []
    assert "".join(capfd.readouterr()) == ""


@EVERY
@OBJECTIVES
def test_every_sampler_proposes_in_silence(name, objectives, silence):
    Search(name, objectives, at_once=3).run_until(STARTUP_TRIALS + 4)


@pytest.mark.slow
def test_gp_is_silent_in_a_fresh_process():
    """Some warnings are given once per process, in the first test that models something."""
    script = f"import runpy; runpy.run_path({__file__!r})['Search']('gp').run_until({TRIALS['gp']})"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout + found.stderr == ""


@EVERY
@OBJECTIVES
def test_every_sampler_works_with_only_infeasible_trials(name, objectives, silence):
    search = Search(name, objectives)
    for number in range(STARTUP_TRIALS + 3):
        search.ask()
        trial = search.running.pop(number)
        trial.set_constraint("diverged", 1.0)
        search.study.tell(trial, outcome(trial.params)[:objectives])
    assert len({repr(parameters) for parameters in search.proposals}) == STARTUP_TRIALS + 3


def test_another_process_proposes_the_same():
    """In another process names have other hashes, and sets of names another order."""
    command = [sys.executable, "-c", f"import runpy; print(runpy.run_path({__file__!r})['listing']())"]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout == listing() + "\n"


def listing():
    return repr(
        [Search(name, at_once=2).run_until(TRIALS[name]).proposals for name in ("tpe", "qmc", "nsga2")]
    )
