"""A user's parameters and buffers may have any name, and buffers any type: states and artefacts keep both."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from cops_core.artifact import load_artifact
from cops_core.artifact.fingerprint import fingerprint
from cops_core.cache import ScoreCache
from cops_core.config import Arm, Selection, Training, TrialConfig
from cops_core.construction import set_type
from cops_core.models import MODELS
from cops_core.trial import Trial

# Names that states, checkpoints, artefacts and cache files of the project use, or safetensors does.
NAMES = (
    *("scale", "trained", "arm", "epoch", "network", "optimizer", "scheduler", "config", "status"),
    *("history", "final_facts", "mask", "masked", "initial", "others", "float_buffers", "integer_buffers"),
    *("cops_artifact", "__metadata__", "header", "contents", "places", "model", "global", "step", "state"),
)
TYPES = {
    "complex64": torch.complex64,
    "complex128": torch.complex128,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int64": torch.int64,
    "bool": torch.bool,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float64": torch.float64,
}


class Named(nn.Module):
    """A parameter, a buffer, and a layer of each name; all of them change while it is trained."""

    def __init__(self, shape, classes) -> None:
        super().__init__()
        self.parameters_of = nn.Module()
        self.buffers_of = nn.Module()
        self.layers_of = nn.ModuleDict()
        for number, name in enumerate(NAMES, start=1):
            self.parameters_of.register_parameter(name, nn.Parameter(torch.full((8,), number / 100)))
            self.buffers_of.register_buffer(name, torch.full((8,), number / 50))
            self.layers_of.add_module(f"{name}_", nn.Linear(8, 8))
        self.register_buffer("scale", torch.tensor(5.0))
        self.mask = nn.Parameter(torch.tensor(2.0))
        self.fc = nn.Linear(64, 8)
        self.head = nn.Linear(8, classes)

    def forward(self, images):
        hidden = torch.tanh(self.fc(images.flatten(1)))
        for name in NAMES:
            buffer = self.buffers_of.get_buffer(name)
            if self.training:
                buffer.add_(0.001)
            hidden = hidden + getattr(self.parameters_of, name) * buffer
        for layer in self.layers_of.values():
            hidden = hidden + 0.01 * layer(hidden)
        return self.head(hidden) * self.mask / self.scale


class Typed(nn.Module):
    """A buffer of each type, used and changed; one not persistent."""

    def __init__(self, shape, classes) -> None:
        super().__init__()
        for name, dtype in TYPES.items():
            self.register_buffer(f"a_{name}", torch.tensor([1, 0, 1], dtype=dtype), persistent=name != "int8")
        self.a_complex64.mul_(1 + 2j)
        self.register_buffer("later", None)
        self.register_buffer("grows", torch.zeros(1))
        self.fc = nn.Linear(64, 8)
        self.low = nn.Linear(8, 8).bfloat16()
        self.norm = nn.BatchNorm1d(8).half()
        self.head = nn.Linear(8, classes)

    def forward(self, images):
        hidden = self.fc(images.flatten(1))
        hidden = self.norm(self.low(hidden.to(self.low.weight.dtype)).to(hidden.dtype))
        if self.training:
            self.a_complex64.mul_(1j)
            self.a_float64.add_(1e-12)
            self.a_int64.add_(2**40)
            self.a_bool.logical_not_()
            self.a_bfloat16.add_(0.5)
        for name in TYPES:
            hidden = hidden + 0.01 * torch.view_as_real(
                self.get_buffer(f"a_{name}").to(torch.complex64)
            ).sum().to(hidden)
        return self.head(hidden)


class Growing(Typed):
    """Its buffers become others while it trains: allowed in a state, not in an artefact."""

    def forward(self, images):
        if self.training:
            self.later = torch.full((2,), float(images.sum()))
            self.grows = torch.cat([self.grows, torch.ones(1).to(self.grows)])
            if not hasattr(self, "new"):
                self.register_buffer("new", torch.zeros(2, dtype=torch.int32))
            self.new += 1
        return super().forward(images) * (1 + len(self.grows) / 100)


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for name, build in {"named": Named, "typed": Typed, "growing": Growing}.items():
        monkeypatch.setitem(MODELS, name, build)


def trial(model: str, arm: Arm = "freeze_wd", precision: str = "float32", cache: ScoreCache | None = None):
    training = Training(epochs=3, batch_size=500, schedule="constant", precision=precision, weight_decay=0.01)
    chosen = {} if arm == "dense" else {"selection": Selection(target="snip"), "density": "0.3"}
    return Trial(TrialConfig(model=model, arm=arm, training=training, **chosen), cache=cache)


def run(started: Trial) -> Trial:
    while not started.done:
        started.step()
    return started


@pytest.mark.parametrize("precision", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("arm", ["freeze_wd", "freeze", "prune", "dense"])
@pytest.mark.parametrize("model", ["named", "typed", "growing"])
def test_a_checkpoint_restores_every_value(model, arm, precision):
    whole, resumed = trial(model, arm, precision), trial(model, arm, precision)
    whole.step()
    resumed.load_state(whole.state())
    fresh = trial(model, arm, precision)
    assert fingerprint(resumed.trainer.network.model) != fingerprint(fresh.trainer.network.model)
    for step in (None, Trial.step, Trial.step):
        if step is not None:
            assert step(whole).train_loss == step(resumed).train_loss
        assert fingerprint(whole.trainer.network.model) == fingerprint(resumed.trainer.network.model)
        assert whole.trainer.network.scale == resumed.trainer.network.scale


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("arm", ["freeze_wd", "prune", "dense"])
@pytest.mark.parametrize("model", ["named", "typed"])
def test_an_artefact_restores_every_value(model, arm, precision):
    trained = run(trial(model, arm, precision))
    loaded = load_artifact(trained.artifact()).model
    assert fingerprint(loaded) == fingerprint(trained.trainer.network.model)


def test_a_cache_file_restores_every_score(tmp_path):
    cache = ScoreCache(tmp_path)
    masks = [trial("named", cache=each).facts["mask_sha256"] for each in (None, cache, cache)]
    assert len(set(masks)) == 1
    assert trial("named", cache=cache).facts["scores_cached"] == {"snip": 1}


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_buffers_keep_their_type_and_parameters_have_the_precisions(precision):
    model = trial("typed", precision=precision).trainer.network.model
    assert {name: model.get_buffer(f"a_{name}").dtype for name in TYPES} == TYPES
    expected = getattr(torch, precision)
    assert {parameter.dtype for parameter in model.parameters()} == {expected}
    assert model.norm.running_mean.dtype == model.grows.dtype == expected
    assert model.a_complex64.imag.any()


def test_a_network_in_double_is_converted_as_a_whole():
    model = nn.Sequential(OrderedDict(fc=nn.Linear(2, 2), norm=nn.BatchNorm1d(2))).double()
    model.register_buffer("own", torch.ones(2, dtype=torch.float64))
    model.register_buffer("narrow", torch.ones(2, dtype=torch.float16))
    model.norm.register_buffer("same", model.own)
    set_type(model, torch.float32)
    assert {tensor.dtype for tensor in (*model.parameters(), model.own)} == {torch.float32}
    assert model.narrow.dtype == torch.float16
    assert model.norm.same is model.own, "a shared buffer stays shared"


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_scale_decays_in_the_precision_of_the_weights(precision):
    trained = run(trial("typed", "freeze_wd", precision))
    training = trained.config.training
    dtype = getattr(torch, precision)
    velocity, expected = torch.zeros((), dtype=dtype), torch.ones((), dtype=dtype)
    rate, decay, momentum = training.learning_rate, training.weight_decay, training.momentum
    for _ in range(3 * len(trained.trainer.sizes)):
        velocity = momentum * velocity + decay * expected
        expected = expected - rate * velocity
    tolerance = 1e-15 if precision == "float64" else 1e-6
    scale = trained.trainer.network.scale
    assert scale == pytest.approx(float(expected), rel=tolerance)
    assert (scale == float(torch.tensor(scale))) == (precision == "float32")


def test_a_state_of_another_network_is_refused_and_changes_nothing(monkeypatch, refused):
    state = trial("typed").state()

    def changed(shape, classes):
        model = Typed(shape, classes)
        nn.init.ones_(model.fc.bias)
        return model

    monkeypatch.setitem(MODELS, "typed", changed)
    other = trial("typed")
    before = fingerprint(other.trainer.network.model)
    with refused("checkpoint belongs to a network with other initial weights, another mask or other layers"):
        other.load_state(state)
    assert fingerprint(other.trainer.network.model) == before


class Late(Typed):
    """Makes a layer when it first runs, which no optimizer has."""

    def forward(self, images):
        if not hasattr(self, "late"):
            self.late = nn.Linear(10, 10).to(images.dtype)
        return self.late(super().forward(images))


class Replacing(Typed):
    def forward(self, images):
        if self.training:
            self.head.bias = nn.Parameter(self.head.bias.detach().clone())
        return super().forward(images)


@pytest.mark.parametrize(("build", "name"), [(Late, "late.bias"), (Replacing, "head.bias")])
def test_a_parameter_that_no_optimizer_has_is_refused(build, name, monkeypatch, refused):
    monkeypatch.setitem(MODELS, "typed", build)
    started = trial("typed", "dense")
    with refused(
        f"makes or replaces parameters while it runs .*{name}.*make them where the network is built"
    ):
        started.step()
