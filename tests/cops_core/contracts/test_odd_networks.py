"""A stranger's network works with every score and arm, resumes and is saved."""

import pytest

from cops_core.config import Selection, TrialConfig
from cops_core.contracts.network_use import network_uses
from cops_core.contracts.trials import check_network
from cops_core.data import load_data
from cops_core.models import MODELS
from cops_core.scores import SCORES
from cops_core.trial import Trial

from .odd_networks import ODD

ARMS = {"prune": None, "freeze": None, "scale": 0.5, "freeze_wd": None}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return load_data("digits", tmp_path_factory.mktemp("data"))


# A third of them by default.
@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.slow] * (place % 3 != 0)) for place, name in enumerate(ODD)]
)
def odd(request, monkeypatch):
    monkeypatch.setitem(MODELS, request.param, ODD[request.param])
    return request.param


EVERY = pytest.param(tuple(SCORES), tuple(ARMS), id="every", marks=pytest.mark.slow)
SOME = pytest.param(("snip", "grasp"), ("prune", "freeze_wd"), id="some")


@pytest.mark.parametrize(("scores", "arms"), [SOME, EVERY])
def test_scores_and_arms(odd, digits, scores, arms):
    configs = [TrialConfig(model=odd)]
    for score in scores:
        selection = Selection(target=score, rounds=2)
        configs += [TrialConfig(model=odd, arm=arm, scale=ARMS[arm], selection=selection) for arm in arms]
    (use,) = network_uses(configs)
    checks = check_network(use, digits, {})
    assert checks.failures == []
    for unusable in checks.unusable:
        assert unusable["score"] in unusable["reason"].lower()
        assert "\n" not in unusable["reason"]
    assert {"random", "magnitude", "snip"}.isdisjoint(unusable["score"] for unusable in checks.unusable)


@pytest.mark.parametrize("density", ["0.1", "0.9"])
def test_a_pruned_trial_runs_and_is_not_called_collapsed(odd, digits, density):
    config = TrialConfig(
        model=odd, arm="prune", selection=Selection(target="random", scope="layer"), density=density
    )
    trial = Trial(config.changed(training={"epochs": 1}), data=digits)
    trial.step()
    assert trial.status == "finished"
    assert trial.artifact()
