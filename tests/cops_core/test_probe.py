"""Gradient norms, frozen against pruned, without touching the run that they look at."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from cops_core.config import Selection, Training, TrialConfig
from cops_core.freeze_net import FROZEN, PRUNED, FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.masked.view import plain_state
from cops_core.models import build_model
from cops_core.probe import gradient_norms
from cops_core.prunable import maskable
from cops_core.trial import Trial, run_trial


def config(arm: str = "freeze", **changes) -> TrialConfig:
    training = Training(epochs=2, probes=True)
    fields = {"arm": arm, "density": "0.01", "selection": Selection(target="snip"), "training": training}
    return TrialConfig(**fields | changes)


@pytest.mark.parametrize("density", [0.01, 0.5])
@pytest.mark.parametrize("scale", [PRUNED, FROZEN], ids=str)
def test_norms_are_those_of_autograds_gradients(scale, density):
    model = build_model("lenet_300_100", (1, 8, 8), 10)
    initialize(model, 0)
    generator = torch.Generator().manual_seed(0)
    mask = Mask({n: torch.rand(w.shape, generator=generator) < density for n, w in maskable(model).items()})
    network = FreezeNet(model, mask, scale)
    with torch.no_grad():  # as after a step of the optimizer
        network.trained["fc1.weight"].mul_(2)
    images, labels = torch.randn((20, 1, 8, 8), generator=generator), torch.arange(20) % 10
    norms = gradient_norms(network, (images, labels), seed=0)
    dense = build_model("lenet_300_100", (1, 8, 8), 10)
    dense.load_state_dict(plain_state(model))
    cross_entropy(dense(images), labels).backward()
    assert list(norms) == list(mask)
    for name, norm in norms.items():
        assert norm == pytest.approx(float(dense.get_parameter(name).grad[mask[name]].norm()), rel=1e-5)


def test_a_look_changes_nothing():
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))
    network = FreezeNet(model, None)
    before = copy.deepcopy(model.state_dict())
    gradient_norms(network, (torch.randn(5, 1, 4, 4), torch.arange(5) % 2), seed=0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_trial_with_probes_trains_as_without(tmp_path):
    plain, probed = (
        run_trial(config(training=Training(epochs=2, probes=probes)), report=lambda row: None)
        for probes in (False, True)
    )
    assert plain.metrics.train_loss == probed.metrics.train_loss
    assert plain.metrics.gradient_norms == {}
    row = probed.metrics.row()
    layers = {name.removeprefix("gradient_norm.") for name in row if name.startswith("gradient_norm.")}
    assert layers == {"fc1.weight", "fc2.weight", "fc3.weight"}
    trial = Trial(config())
    trial.step()
    trial.save(tmp_path / "trial.pt")
    resumed = Trial(config())
    resumed.load(tmp_path / "trial.pt")
    assert resumed.metrics == trial.metrics


def test_freezing_preserves_the_gradient_flow_that_pruning_loses():
    """The claim of FreezeNet's paper, on the first layer of a LeNet at one kept weight of a hundred."""
    norms = {}
    for arm in ("freeze", "prune"):
        trial = Trial(config(arm))
        (images, labels), _ = trial.trainer.split.scoring_batch(0, 10)
        norms[arm] = gradient_norms(trial.trainer.network, (images, labels), 0)
    assert norms["freeze"]["fc1.weight"] > 3 * norms["prune"]["fc1.weight"]
