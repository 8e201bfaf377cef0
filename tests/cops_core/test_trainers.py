"""A trial of one's own: settings, hashes, the trial itself, its checkpoints, and what is refused."""

import hashlib
import io
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import mse_loss

from cops_core.cache import ScoreCache
from cops_core.config import Selection, Training, TrialConfig, parse_config
from cops_core.contracts.trainers import trainer_failures
from cops_core.errors import InputError
from cops_core.own_trial import OwnTrial, evaluate_stored, start_trial
from cops_core.plugins import CORE_REGISTRIES
from cops_core.trainers import TRAINERS, CustomTrainer, Measure, check_state
from cops_core.trial_state import config_hash

INPUTS = torch.linspace(-1, 1, 40).unsqueeze(1)


class Sine(CustomTrainer):
    """Fits a sine with a small network with dropout, on batches in a random order."""

    defaults: ClassVar = {"width": 12, "learning_rate": 0.05, "flat": False, "name": "sine"}
    measure = Measure(name="validation_error", direction="minimize", worst=9.0)

    def data_sha256(self):
        return hashlib.sha256(b"sine").hexdigest()

    def build(self):
        width = self.settings["width"]
        return nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Dropout(0.1), nn.Linear(width, 1))

    def scoring_batches(self, round_):
        places = torch.randint(len(INPUTS), (8,))
        return [INPUTS[places], INPUTS[places + 0]]

    def loss(self, model, batch):
        return mse_loss(model(batch), torch.sin(3 * batch))

    def start(self, model):
        self.model = model
        self.optimizer = torch.optim.SGD(model.parameters(), lr=self.settings["learning_rate"], momentum=0.9)

    def train_epoch(self, epoch):
        for places in torch.randperm(len(INPUTS)).split(10):
            loss = self.loss(self.model, INPUTS[places])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return {"train_error": loss.detach()}

    def evaluate(self, model, part):
        return float(self.loss(model, INPUTS if part == "validation" else INPUTS / 2))

    def state(self):
        return {"optimizer": self.optimizer.state_dict()}

    def load_state(self, state):
        self.optimizer.load_state_dict(state["optimizer"])


@pytest.fixture(autouse=True)
def sine(monkeypatch):
    monkeypatch.setitem(TRAINERS, "sine", Sine)


def config(arm="freeze", **fields):
    dense = {} if arm == "dense" else {"selection": Selection(target="snip"), "density": "0.5"}
    if arm == "scale":
        dense["scale"] = 0.5
    return TrialConfig(trainer="sine", arm=arm, training=Training(epochs=3), **dense, **fields)


def rows(trial):
    while not trial.done:
        trial.step()
    return [
        {name: value for name, value in report.row().items() if name != "train_seconds"}
        for report in trial.history
    ]


def test_the_default_is_the_trial_on_images_and_changes_no_hash():
    assert config_hash(TrialConfig(trainer="images", settings={})) == config_hash(TrialConfig())
    assert "trainer" not in TrialConfig().model_dump_json(exclude_defaults=True)


def test_settings_are_in_the_hash_unless_they_are_the_defaults():
    plain = config_hash(config())
    assert config_hash(config(settings={"width": 12, "learning_rate": 0.05})) == plain
    hashes = {
        config_hash(config(settings=settings))
        for settings in ({}, {"width": 13}, {"learning_rate": 1.0}, {"flat": True}, {"name": "x"})
    }
    assert len(hashes) == 5
    assert config(settings={"learning_rate": 1}) == config(settings={"learning_rate": 1.0})
    order = [{"width": 2, "flat": True}, {"flat": True, "width": 2}]
    assert len({config_hash(config(settings=each)) for each in order}) == 1


def test_through_json_and_back():
    written = config(settings={"width": 3})
    assert parse_config(written.model_dump(mode="json")) == written
    assert hash(parse_config(written.model_dump(mode="json"))) == hash(written)
    assert (written.dataset, written.model, written.subject) == ("sine", "sine", "sine")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"trainer": "sin"}, "did you mean 'sine'"),
        ({"settings": {"widht": 3}}, "did you mean 'width'"),
        ({"settings": {"width": 3.5}}, "type int"),
        ({"settings": {"width": True}}, "type int"),
        ({"settings": {"learning_rate": float("inf")}}, "finite"),
        ({"dataset": "digits"}, "leave dataset out"),
        ({"model": "lenet_300_100"}, "leave model out"),
        ({"training": {"learning_rate": 0.1}}, "training.learning_rate without effect"),
        ({"validation_fraction": "0.2"}, "validation_fraction without effect"),
        (
            {"arm": "prune", "selection": {"target": "random", "regrow": {}}},
            "own training loop.*leave selection.regrow out",
        ),
        (
            {"arm": "prune", "selection": {"target": "snip", "batches": 2}},
            "selection.batches without effect",
        ),
        (
            {"arm": "prune", "selection": {"target": "grasp", "temperature": 2}},
            "selection.temperature without effect",
        ),
        (
            {"arm": "prune", "selection": {"target": "prospr", "steps": {"count": 1}}},
            "selection.steps without effect",
        ),
    ],
)
def test_what_a_configuration_refuses(fields, words):
    with pytest.raises(InputError, match=words):
        parse_config({"trainer": "sine", **fields})


def test_settings_need_a_trainer():
    with pytest.raises(InputError, match="settings without effect"):
        parse_config({"settings": {"width": 3}})


@pytest.mark.parametrize("arm", ["dense", "prune", "freeze", "scale", "freeze_wd"])
def test_every_arm_trains_and_its_stored_network_has_the_same_value(arm):
    trial = start_trial(config(arm, test=True))
    assert isinstance(trial, OwnTrial)
    last = rows(trial)[-1]
    assert trial.status == "finished"
    assert set(last) == {"epoch", "train_error", "validation_error"}
    stored = trial.artifact()
    assert evaluate_stored(trial.config, stored, "validation") == pytest.approx(last["validation_error"])
    assert evaluate_stored(trial.config, stored, "test") == pytest.approx(trial.facts["test_accuracy"])


def test_the_same_seed_gives_the_same_trial_and_another_seed_another():
    one, again, other = (rows(start_trial(config(seed=seed))) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_it_resumes_as_if_never_interrupted(tmp_path):
    whole = rows(start_trial(config()))
    first = start_trial(config())
    first.step()
    first.save(tmp_path / "state")
    torch.load(io.BytesIO((tmp_path / "state").read_bytes()), weights_only=True)
    second = start_trial(config())
    second.load(tmp_path / "state")
    assert rows(second) == whole


def test_a_checkpoint_of_another_configuration_is_refused():
    first = start_trial(config())
    with pytest.raises(InputError, match="another configuration"):
        start_trial(config(settings={"width": 5})).load_state(first.state())
    with pytest.raises(InputError, match="not a checkpoint"):
        first.load_state(b"nothing")


def test_exactly_kappa_weights_are_trained_and_scores_are_cached(tmp_path):
    cache = ScoreCache(tmp_path)
    one = start_trial(config(), cache=cache, extensions={"mine": "0" * 64})
    assert one.facts["kept_weights"] == 12
    assert one.facts["trained_parameters"] == 12 + 13
    again = start_trial(config(), cache=cache, extensions={"mine": "0" * 64})
    assert (one.facts["scores_computed"], again.facts["scores_cached"]) == ({"snip": 1}, {"snip": 1})
    assert again.facts["mask_sha256"] == one.facts["mask_sha256"]
    other = start_trial(config(settings={"flat": True}), cache=cache, extensions={"mine": "0" * 64})
    assert other.facts["scores_computed"] == {"snip": 1}


def test_what_is_not_finite_ends_the_trial_as_diverged(monkeypatch):
    monkeypatch.setattr(Sine, "evaluate", lambda self, model, part: float("nan"))
    trial = start_trial(config())
    assert rows(trial)[-1]["validation_error"] == Sine.measure.worst
    assert trial.status == "diverged"


@pytest.mark.parametrize(
    ("method", "returned", "words"),
    [
        ("evaluate", -1.0, "at least 0"),
        ("evaluate", "good", "return a number"),
        ("train_epoch", None, "return metrics"),
        ("train_epoch", {"epoch": 1}, "leave it out"),
        ("train_epoch", {"validation_error": 1}, "leave it out"),
    ],
)
def test_what_it_returns_is_checked(monkeypatch, method, returned, words):
    monkeypatch.setattr(Sine, method, lambda self, *arguments: returned)
    with pytest.raises(InputError, match=words):
        start_trial(config()).step()


def test_its_contract():
    assert list(trainer_failures("sine")) == []


@pytest.mark.parametrize(
    ("method", "function", "words"),
    [
        ("state", lambda self: {}, "KeyError"),
        ("load_state", lambda self, state: None, "resumed from its state"),
        ("train_epoch", lambda self, epoch: {}, "changes no parameter"),
        ("data_sha256", lambda self: "abc", "64 hexadecimal digits"),
        ("build", lambda self: 3, "return a torch.nn.Module"),
        ("evaluate", lambda self, model, part: float(torch.seed() % 1000), "again"),
    ],
)
def test_a_broken_trainer_fails_its_contract(monkeypatch, method, function, words):
    monkeypatch.setattr(Sine, method, function)
    found = list(trainer_failures("sine"))
    assert found
    assert all("sine" in line for line in found)
    assert any(words in line for line in found), found


class Half(CustomTrainer):
    """A class without most of what a trainer needs."""

    measure = Sine.measure

    def build(self):
        return nn.Linear(1, 1)


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        (Half, "lacks data_sha256, evaluate"),
        (Sine({}, seed=0, epochs=1, device=torch.device("cpu")), "the class itself"),
        (nn.Linear, "subclass of cops_core.trainers.CustomTrainer"),
        (type("Unmeasured", (Sine,), {"measure": None}), "lacks measure"),
        (type("Unknown", (Sine,), {"defaults": {"layers": (1, 2)}}), "of type tuple"),
        (type("Foreign", (Sine,), {"tiny": {"steps": 1}}), "not in defaults"),
    ],
)
def test_what_a_trainer_lacks_is_one_line(trainer, words):
    line = CORE_REGISTRIES["TRAINERS"].complaint("mine", trainer)
    assert words in line
    assert "\n" not in line


def test_the_name_of_the_trial_on_images_is_taken():
    assert "choose another name" in CORE_REGISTRIES["TRAINERS"].complaint("images", Sine)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), r"state\(\)\['extra'\] is an object of type object"),
        ([1, {"deep": np.float64(1.0)}], r"state\(\)\['extra'\]\[1\]\['deep'\] is an object of type float64"),
        ({(1, 2): 3}, "has a key of type tuple"),
    ],
)
def test_a_state_that_could_not_be_read_again_is_refused_when_it_is_written(value, words, monkeypatch):
    monkeypatch.setattr(Sine, "state", lambda trainer: {"extra": value})
    trial = start_trial(config())
    trial.step()
    with pytest.raises(InputError, match=words):
        trial.state()


def test_states_of_torchs_optimizers_and_schedules_are_plain():
    layer = nn.Linear(2, 2)
    layer(torch.ones(1, 2)).sum().backward()
    for make in (torch.optim.SGD, torch.optim.AdamW, torch.optim.Adagrad, torch.optim.RMSprop):
        optimizer = make(layer.parameters(), lr=0.1)
        optimizer.step()
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5)
        check_state({"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()})
