"""What a network's author has put into it stays: only weights of convolutions and linear layers are drawn."""

from collections import OrderedDict
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cops_core.arms import SCALES
from cops_core.artifact import ArtifactHeader, load_artifact, pack
from cops_core.config import Selection, Training, TrialConfig
from cops_core.freeze_net import FreezeNet
from cops_core.initialization import initial_network, own_values
from cops_core.mask import Mask
from cops_core.masked.apply import materialize
from cops_core.models import MODELS, build_model
from cops_core.prunable import maskable, with_biases
from cops_core.trial import Trial

SHAPE, CLASSES = (1, 8, 8), 10


def network(**named: nn.Module) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            flat=nn.Flatten(), fc=nn.Linear(64, 8), **named, act=nn.Tanh(), head=nn.Linear(8, CLASSES)
        )
    )


class Scaled(nn.Module):
    """Parameters and buffers of one's own, drawn in all the ways that there are."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(0.1 * torch.ones(8))
        self.token = nn.Parameter(torch.zeros(8))
        self.weight = nn.Parameter(torch.zeros(8))
        self.drawn = nn.Parameter(torch.randn(8, 8) / 8)
        self.numpys = nn.Parameter(torch.from_numpy(np.random.randn(8)).float())
        self.phase = nn.Parameter(torch.polar(torch.ones(8), torch.linspace(0, 1, 8)))
        self.register_buffer("table", torch.rand(8))
        self.register_buffer("hidden", torch.linspace(0, 1, 8), persistent=False)

    def forward(self, values):
        turned = (values * self.phase).real + values @ self.drawn + self.numpys
        return turned * self.gamma + self.token + self.weight + self.table * self.hidden


class Presets(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(64, 8)
        self.conv = nn.Conv1d(1, 1, 3, padding=1)
        self.head = nn.Linear(8, CLASSES)
        nn.init.constant_(self.fc.bias, -2.0)
        self.conv.bias.data.normal_()
        self.norm = nn.LayerNorm(8)
        nn.init.zeros_(self.norm.weight)

    def forward(self, images):
        hidden = self.conv(torch.tanh(self.fc(images.flatten(1)))[:, None])[:, 0]
        return self.head(hidden + self.norm(hidden))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, values):
        return self.attention(values[:, None], values[:, None], values[:, None])[0][:, 0]


class Tied(nn.Module):
    """A parameter of one's own under two names, and an embedding that a linear layer uses, too."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(64, 8)
        self.first = Scaled()
        self.second = Scaled()
        self.second.gamma = self.first.gamma
        self.head = nn.Linear(8, CLASSES)
        self.back = nn.Linear(8, 64, bias=False)
        self.back.weight = self.embedding.weight

    def forward(self, images):
        tokens = self.embedding(torch.arange(64))
        hidden = self.second(self.first(images.flatten(1) @ tokens))
        return self.head(hidden + self.back(hidden) @ tokens)


NETWORKS = {
    "scaled": lambda: network(scale=Scaled()),
    "presets": Presets,
    "prelu": lambda: network(prelu=nn.PReLU()),
    "attention": lambda: network(attention=Attention()),
    "weight_norm": lambda: network(more=nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))),
    "tied": Tied,
}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for name, build in NETWORKS.items():
        monkeypatch.setitem(MODELS, name, lambda shape, classes, build=build: build())


def values(model: nn.Module) -> dict[str, torch.Tensor]:
    tensors = (*model.named_parameters(), *model.named_buffers())
    return {name: tensor.detach().clone() for name, tensor in tensors}


def same(ours, others) -> bool:
    return ours.keys() == others.keys() and all(torch.equal(ours[name], others[name]) for name in ours)


@pytest.mark.parametrize("name", NETWORKS)
def test_only_weights_of_convolutions_and_linear_layers_are_drawn(name):
    built, drawn = build_model(name, SHAPE, CLASSES, 5), initial_network(name, SHAPE, CLASSES, 5)[0]
    before, after = values(built), values(drawn)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed == maskable(built).keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seed_alone_decides_and_theta0_has_a_hash_of_it(name):
    torch.manual_seed(1)
    first, theta0 = initial_network(name, SHAPE, CLASSES, 5)
    state, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    again, once_more = initial_network(name, SHAPE, CLASSES, 5)
    assert torch.equal(state, torch.get_rng_state())
    assert (numpys == np.random.get_state()[1]).all()
    assert same(values(first), values(again))
    assert theta0 == once_more
    assert initial_network(name, SHAPE, CLASSES, 6)[1] != theta0
    assert initial_network(name, SHAPE, CLASSES, 5, dtype=torch.float64)[1] == theta0


@pytest.mark.parametrize("part", ["gamma", "drawn", "numpys", "phase", "table", "hidden"])
def test_theta0_changes_with_each_of_the_authors_values(part, monkeypatch):
    def other():
        model = network(scale=Scaled())
        with torch.no_grad():
            getattr(model.scale, part)[1] += 1
        return model

    theta0 = initial_network("scaled", SHAPE, CLASSES, 0)[1]
    monkeypatch.setitem(MODELS, "scaled", lambda shape, classes: other())
    assert initial_network("scaled", SHAPE, CLASSES, 0)[1] != theta0


def test_what_torch_draws_by_default_is_no_authors_choice():
    model = build_model("presets", SHAPE, CLASSES, 3)
    assert (model.fc.bias == -2).all()
    assert model.conv.bias.any()
    assert not model.norm.weight.any()
    assert not model.head.bias.any(), "torch's own draw, where the project begins with zero"
    assert set(own_values(model)) == {"fc.bias", "conv.bias", "norm.weight"}
    assert nn.Linear(2, 2).bias.any(), "outside of a construction torch's layers are as ever"


def test_a_bias_of_a_copied_or_lazy_layer_is_zero_too(monkeypatch):
    def build(shape, classes):
        body = nn.Sequential(nn.LazyConv2d(2, 3), nn.LazyBatchNorm2d(), nn.Flatten())
        return nn.Sequential(
            OrderedDict(body=body, copy=deepcopy(nn.LazyLinear(4)), head=nn.LazyLinear(classes))
        )

    monkeypatch.setitem(MODELS, "lazy", build)
    model, theta0 = initial_network("lazy", SHAPE, CLASSES, 3)
    assert model.training
    assert not own_values(model)
    assert model(torch.zeros(2, *SHAPE)).shape == (2, CLASSES)
    assert theta0 == initial_network("lazy", SHAPE, CLASSES, 3)[1]


def test_memory_without_values_is_not_a_value(monkeypatch):
    def build(shape, classes):
        model = network()
        model.own = nn.Parameter(torch.empty(3))
        return model

    monkeypatch.setitem(MODELS, "empty", build)
    assert build_model("empty", SHAPE, CLASSES).own.isnan().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_half_of_it_trains_resumes_and_comes_back(name):
    training = Training(epochs=2, batch_size=500)
    config = TrialConfig(
        dataset="digits",
        model=name,
        arm="freeze",
        selection=Selection(target="magnitude"),
        density="0.5",
        training=training,
        seed=4,
    )
    whole, resumed = Trial(config), Trial(config)
    assert whole.facts["theta0_sha256"] == resumed.facts["theta0_sha256"]
    whole.step()
    resumed.load_state(whole.state())
    assert whole.step().train_loss == resumed.step().train_loss
    for trial in (whole, resumed):
        loaded = load_artifact(trial.artifact()).model
        assert same(values(loaded), values(materialize(whole.trainer.network.model)))


@pytest.mark.parametrize("arm", ["freeze", "freeze_wd", "prune"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_frozen_biases_of_ones_own_travel_in_the_artefact(arm, dtype, monkeypatch):
    model, theta0 = initial_network("presets", SHAPE, CLASSES, 2, dtype=dtype)
    before = {name: value.detach().clone() for name, value in with_biases(model).items()}
    mask = Mask(
        {name: torch.arange(value.numel()).view(value.shape) % 2 == 0 for name, value in before.items()}
    )
    net = FreezeNet(model, mask, SCALES[arm])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        functional.cross_entropy(net(torch.ones(4, *SHAPE, dtype=dtype)), torch.arange(4) % 3).backward()
        optimizer.step()
    net.audit(2, "xavier_normal")
    outside = ~mask["fc.bias"]
    assert torch.equal(model.fc.bias[outside], before["fc.bias"][outside] * net.scale)
    header = ArtifactHeader(
        model="presets",
        shape=SHAPE,
        classes=CLASSES,
        initialization="xavier_normal",
        seed=2,
        arm=arm,
        density="0.5",
        mean=(0.0,),
        deviation=(1.0,),
        theta0_sha256=theta0,
        mask_sha256=mask.sha256(),
        data_sha256="0" * 64,
    )
    packed = pack(net, header)
    # Another build of torch draws other numbers from the same seed.
    monkeypatch.setattr("cops_core.generators.derive_seed", lambda *_: 77)
    assert same(values(load_artifact(packed).model), values(materialize(model)))


def test_the_projects_networks_have_no_values_of_their_own():
    for name in ("lenet_300_100", "lenet_5_caffe", "resnet18"):
        assert own_values(build_model(name, (1, 16, 16), CLASSES)) == {}
