"""What a trial says has the keys that are declared, each with its type; mypy then knows of a misspelt one."""

import json

import pytest

from cops_core.config import Control, Floor, Selection, Training, TrialConfig
from cops_core.facts import Facts, Machine, MetricRow, values_of
from cops_core.machine import machine
from cops_core.scores import Member
from cops_core.train import NORM_PREFIX
from cops_core.trial import FINAL_FACTS, Trial

from ..declared import undeclared

SHORT = Training(epochs=1)
COPS = Selection(
    target=Member(functional="loss", p=1.5),
    controls=(Control(score="magnitude", level=0.3),),
    scope="layer",
    floor=Floor(count=1, per="unit"),
)
UNION = Selection(target="snip", controls=(Control(score="magnitude", level=0.5),), combine="union")
CONFIGS = {
    "dense": TrialConfig(training=SHORT),
    "pruned": TrialConfig(arm="prune", selection=Selection(target="snip"), density="0.1", training=SHORT),
    "cops": TrialConfig(arm="freeze_wd", selection=COPS, density="0.1", training=SHORT, test=True),
    "union": TrialConfig(arm="prune", selection=UNION, density="0.1", training=SHORT),
    "trained": TrialConfig(
        arm="prune",
        selection=Selection(target="magnitude", at="trained", rounds=2, rewind="learning_rate"),
        density="0.1",
        training=SHORT,
    ),
    "collapsed": TrialConfig(arm="prune", selection=Selection(target="snip"), density="0.0001", test=True),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_facts_are_as_declared_before_and_after_training(name):
    trial = Trial(CONFIGS[name])
    assert undeclared(trial.facts, Facts) == []
    row = trial.step().row()
    assert trial.done
    assert undeclared(trial.facts, Facts) == []
    assert undeclared(json.loads(json.dumps(trial.facts)), Facts) == [], "and as JSON"
    assert undeclared(row, MetricRow) == []
    assert ("test_accuracy" in trial.facts) == CONFIGS[name].test


def test_final_facts_are_all_that_may_be_missing():
    assert {*FINAL_FACTS, "before_mask"} == Facts.__optional_keys__


def test_gradient_norms_are_the_only_metrics_that_are_not_declared():
    trial = Trial(TrialConfig(training=Training(epochs=1, probes=True)))
    row = trial.step().row()
    more = row.keys() - MetricRow.__annotations__.keys()
    assert more
    assert all(name.startswith(NORM_PREFIX) for name in more)
    assert values_of(row) == row


def test_the_machine_is_as_declared():
    assert undeclared(machine(), Machine) == []


def test_what_is_not_as_declared_is_found():
    facts = Trial(CONFIGS["pruned"]).facts
    wrong = {
        **facts,
        "mask_sha": "0",
        "parameters": 1.5,
        "connectivity": {**facts["connectivity"], "kept": None},
    }
    del wrong["density"]
    assert undeclared(wrong, Facts, "facts") == [
        "facts: no density",
        "facts: mask_sha is not declared",
        "facts.parameters: 1.5 is no <class 'int'>",
        "facts.connectivity.kept: None is no <class 'int'>",
    ]
