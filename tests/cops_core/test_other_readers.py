"""Weights that are read otherwise than by their layer's own forward pass are trained all the same.

Each network is compared with a plain dense copy, with sparse products for layers of every size.
"""

import types

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from cops_core.arms import SCALES
from cops_core.config import Training
from cops_core.contracts.agreement import check_training, disagreement
from cops_core.contracts.base import ContractError
from cops_core.errors import DriftError, InputError
from cops_core.freeze_net import FROZEN, FreezeNet
from cops_core.mask import Mask
from cops_core.masked import products
from cops_core.masked.kept_weights import KeptWeights
from cops_core.prunable import maskable

SHAPE = (2, 4, 4)


@pytest.fixture(autouse=True)
def everywhere(monkeypatch) -> None:
    monkeypatch.setattr(products, "MIN_WEIGHTS", 0)
    monkeypatch.setattr(products, "MAX_SPARSE_DENSITY", 1.0)


class Net(nn.Module):
    """Three linear layers, the second in a `block`."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(32, 12)
        self.fc2 = nn.Linear(12, 12, bias=False)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.block(torch.tanh(self.fc1(x.flatten(1)))))

    def block(self, x):
        return torch.tanh(self.fc2(x))


class Functional(Net):
    def block(self, x):
        return torch.tanh(F.linear(x, self.fc2.weight))


class Product(Net):
    def block(self, x):
        return torch.tanh(x @ self.fc2.weight.t())


class Both(Net):
    def block(self, x):
        return torch.tanh(self.fc2(x) + F.linear(x, self.fc2.weight.t()))


class Twice(Net):
    def block(self, x):
        return torch.tanh(self.fc2(torch.tanh(self.fc2(x))))


class Data(Net):
    """Reads values without a gradient."""

    def block(self, x):
        return torch.tanh(self.fc2(x) + F.linear(x, self.fc2.weight.data))


class Standardised(Net):
    def block(self, x):
        weight = self.fc2.weight
        return torch.tanh(F.linear(x, (weight - weight.mean(1, keepdim=True)) / (weight.std() + 1)))


class TiedLayers(Net):
    def __init__(self):
        super().__init__()
        self.fc3 = nn.Linear(12, 12)
        self.fc3.weight = self.fc2.weight

    def block(self, x):
        return torch.tanh(self.fc3(torch.tanh(self.fc2(x))))


class TiedParameter(Net):
    """A parameter of the model itself is a layer's weight."""

    def __init__(self):
        super().__init__()
        self.matrix = self.fc2.weight

    def block(self, x):
        return torch.tanh(self.fc2(x) @ self.matrix)


class TiedEmbedding(Net):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(12, 12)
        self.table.weight = self.fc2.weight

    def block(self, x):
        return torch.tanh(self.fc2(x) + self.table(torch.arange(len(x))))


class Reentrant(Net):
    def forward(self, x):
        x = torch.tanh(self.fc1(x.flatten(1)))
        return self.head(checkpoint(self.block, x, use_reentrant=True))


class NotReentrant(Net):
    def forward(self, x):
        x = torch.tanh(self.fc1(x.flatten(1)))
        return self.head(checkpoint(self.block, x, use_reentrant=False))


class Swapped(Net):
    """Its layer runs with a weight computed from its own."""

    def block(self, x):
        weights = {"weight": self.fc2.weight * 2}
        return torch.tanh(torch.func.functional_call(self.fc2, weights, (x,)))


class Attention(Net):
    def __init__(self):
        super().__init__()
        self.mha = nn.MultiheadAttention(12, 2, batch_first=True)

    def block(self, x):
        x = x[:, None]
        return self.mha(x, x, x)[0][:, 0]


class Encoder(Net):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(12, 2, 8, batch_first=True)

    def block(self, x):
        return self.layer(x[:, None])[:, 0]


class Hook(Net):
    """A hook halves the gradient of a weight."""

    def __init__(self):
        super().__init__()
        self.fc2.weight.register_hook(lambda gradient: gradient / 2)


class LateHook(Net):
    def block(self, x):
        if self.training and not self.fc2.weight._backward_hooks:
            self.fc2.weight.register_hook(lambda gradient: gradient / 2)
        return super().block(x)


class OwnForward(Net):
    """Its author has replaced a layer's forward pass."""

    def __init__(self):
        super().__init__()
        self.fc2.forward = types.MethodType(lambda layer, x: F.linear(x, layer.weight.abs()), self.fc2)


class NotTrained(Net):
    def __init__(self):
        super().__init__()
        self.fc2.weight.requires_grad_(False)


class TrainedLater(Net):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += self.training
        self.fc2.weight.requires_grad_(self.calls > 1)
        return super().forward(x)


class Keyword(Net):
    def block(self, x):
        return torch.tanh(self.fc2(input=x))


class OldForward(Net):
    """Keeps a layer's forward pass from before it was replaced."""

    def __init__(self):
        super().__init__()
        self.saved = [self.fc2.forward]

    def block(self, x):
        return torch.tanh(self.saved[0](x))


class Dropping(Net):
    def block(self, x):
        return F.dropout(super().block(x), training=self.training)


class ModuleHooks(Net):
    def __init__(self):
        super().__init__()
        self.fc2.register_forward_hook(lambda layer, inputs, output: output + inputs[0])
        self.fc2.register_full_backward_hook(lambda layer, inputs, outputs: (inputs[0] * 2,))


class EachImage(Net):
    """Runs on each image by itself."""

    def forward(self, x):
        return torch.func.vmap(lambda image: Net.forward(self, image[None])[0])(x)


class SpectralNorm(Net):
    """A weight that is computed from others, with buffers that change whenever it is."""

    def __init__(self):
        super().__init__()
        self.fc3 = nn.utils.parametrizations.spectral_norm(nn.Linear(12, 12))
        self.fc4 = nn.utils.parametrizations.weight_norm(nn.Linear(12, 12))

    def block(self, x):
        return self.fc4(self.fc3(super().block(x)))


class Wide(Net):
    """Computes a layer in another precision than the network's."""

    def block(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return torch.tanh(self.fc2(x)).to(x.dtype)


NETWORKS = (
    Net, Functional, Product, Both, Twice, Data, Standardised, TiedLayers, TiedParameter, TiedEmbedding,
    Reentrant, NotReentrant, Attention, Encoder, Hook, OwnForward, NotTrained, Keyword,
    OldForward, Dropping, ModuleHooks, Wide, EachImage, SpectralNorm,
)  # fmt: skip


def draw_mask(model, density=0.3):
    generator = torch.Generator().manual_seed(0)
    return Mask({n: torch.rand(w.shape, generator=generator) < density for n, w in maskable(model).items()})


def batches(steps=3):
    generator = torch.Generator().manual_seed(1)
    return [(torch.randn((6, *SHAPE), generator=generator), torch.arange(6) % 3) for _ in range(steps)]


TRAINING = Training(learning_rate=0.1, momentum=0.9, weight_decay=0.01)


@pytest.mark.parametrize("arm", ["prune", "freeze", "freeze_wd"])
@pytest.mark.parametrize("build", NETWORKS)
def test_it_is_trained_as_its_dense_copy(build, arm):
    check_training(build, draw_mask(build()), SCALES[arm], batches(), TRAINING)


@pytest.mark.parametrize("precision", ["float32", "float64", "bfloat16"])
def test_in_each_precision(precision):
    training = TRAINING.model_copy(update={"precision": precision})
    assert disagreement(Net, draw_mask(Net()), FROZEN, batches(), training) is None


def test_only_plain_layers_have_sparse_products():
    names = {
        build: {
            n for n, m in FreezeNet(model, draw_mask(model)).masked.items() if m.kept.products is not None
        }
        for build in NETWORKS
        for model in [build()]
    }
    assert names[Net] == {"fc1.weight", "fc2.weight", "head.weight"}
    others = (TiedLayers, TiedParameter, TiedEmbedding, Hook, OwnForward, NotTrained)
    assert all(names[build] == {"fc1.weight", "head.weight"} for build in others)
    assert "mha.out_proj.weight" not in names[Attention]


class Clipped(Net):
    """Changes its own weight, of which a trial keeps other values."""

    def block(self, x):
        with torch.no_grad():
            self.fc2.weight.clamp_(-0.05, 0.05)
        return super().block(x)


class ClippedData(Net):
    """Does so where torch does not count it."""

    def block(self, x):
        self.fc2.weight.data.clamp_(-0.05, 0.05)
        return super().block(x)


@pytest.mark.parametrize("arm", ["prune", "freeze"])
@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (Clipped, DriftError, "changed in place"),
        (ClippedData, ContractError, "from a plain dense copy after 3 steps"),
        (Swapped, InputError, "cannot be assigned"),
        (LateHook, ContractError, "from a plain dense copy after 3 steps"),
        (TrainedLater, RuntimeError, "requires_grad flags of leaf variables"),
    ],
)
def test_what_a_masked_weight_cannot_follow_is_found(build, error, words, arm):
    with pytest.raises(error, match=words):
        check_training(build, draw_mask(build()), SCALES[arm], batches(), TRAINING)


def test_the_oracle_finds_old_values(monkeypatch):
    monkeypatch.setattr(KeptWeights, "written", lambda kept, v: kept._dense.detach())
    assert "dense copy" in (disagreement(Functional, draw_mask(Net()), FROZEN, batches(), TRAINING) or "")
