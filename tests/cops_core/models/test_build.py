"""Networks of a user's own are built as they are meant, or refused in one line."""

import pytest
import torch
from torch import nn

from cops_core.accounting import account
from cops_core.artifact import load_artifact
from cops_core.config import Selection, Training, TrialConfig
from cops_core.masked.view import plain_state
from cops_core.models import MODELS, build_model
from cops_core.trial import Trial

SHAPE = (1, 8, 8)


class Parts(nn.Module):
    """A linear layer in bfloat16 between two in float32."""

    def __init__(self, shape, classes):
        super().__init__()
        self.fc1 = nn.Linear(64, 12)
        self.middle = nn.Linear(12, 12).bfloat16()
        self.head = nn.Linear(12, classes)

    def forward(self, images):
        hidden = torch.relu(self.fc1(images.flatten(1)))
        return self.head(self.middle(hidden.to(self.middle.weight.dtype)).to(hidden.dtype))


class Narrow(nn.Module):
    """A network with a layer of width 0 beside another."""

    def __init__(self, shape, classes):
        super().__init__()
        self.fc1 = nn.Linear(64, 12)
        self.extra = nn.Linear(64, 0)
        self.after = nn.Linear(0, 5)
        self.head = nn.Linear(17, classes)

    def forward(self, images):
        images = images.flatten(1)
        empty = self.extra(images)
        return self.head(torch.cat([torch.relu(self.fc1(images)), empty, self.after(empty)], 1))


def half(shape, classes):
    return Parts(shape, classes).half()


@pytest.fixture
def run(monkeypatch):
    def act(build, arm):
        monkeypatch.setitem(MODELS, "own", build)
        dense = arm == "dense"
        trial = Trial(
            TrialConfig(
                model="own",
                arm=arm,
                selection=None if dense else Selection(target="snip"),
                density=None if dense else "0.3",
                training=Training(epochs=1),
            )
        )
        trial.step()
        assert trial.status == "finished"
        rebuilt = load_artifact(trial.artifact()).model
        for name, tensor in plain_state(trial.trainer.network.model).items():
            assert torch.equal(rebuilt.state_dict()[name], tensor), name
        return trial

    return act


@pytest.mark.parametrize("arm", ["dense", "prune", "freeze", "freeze_wd"])
@pytest.mark.parametrize("build", [Parts, half, Narrow])
def test_it_trains_and_comes_back_from_its_artefact(run, build, arm):
    run(build, arm)


def test_weights_are_drawn_in_single_precision(run):
    values = run(half, "freeze").trainer.network.masked["middle.weight"].theta().detach()
    assert values.dtype == torch.float32
    assert not torch.equal(values, values.half().float())


def test_a_layer_of_width_0_has_no_weights_to_remove(run):
    trial = run(Narrow, "prune")
    assert list(trial.facts["layer_densities"]) == ["fc1.weight", "head.weight"]
    assert list(account(trial.trainer.network, SHAPE, 100)["layers"]) == ["fc1.weight", "head.weight"]


def test_a_wrapper_for_several_devices_is_left_out(run):
    trial = run(lambda shape, classes: nn.DataParallel(Parts(shape, classes)), "freeze")
    assert next(iter(trial.facts["layer_densities"])) == "fc1.weight"


def fails(shape, classes):
    assert shape[1] == 32, "I want\n32 x 32"


def three(shape, classes, width):
    return nn.Linear(1, 1)


def inside(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.DataParallel(nn.Linear(64, classes)))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (fails, "AssertionError: I want 32 x 32"),
        (three, "TypeError: three.. missing 1 required"),
        (lambda shape, classes: "a network", "returns an object of type str"),
        (lambda shape, classes: nn.Linear, "returns an object of type type"),
        (inside, "has an nn.DataParallel at 1"),
    ],
)
def test_what_cannot_be_built_is_one_line(monkeypatch, refused, build, words):
    monkeypatch.setitem(MODELS, "own", build)
    with refused(f"model 'own' .*{words}.*: *write"):
        build_model("own", SHAPE, 4)
