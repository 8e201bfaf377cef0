"""Each kind of layer computes with a mask what the plain layer computes with the same weights, and trains."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD

import cops_core as cops
from cops_core.errors import InputError
from cops_core.masked.view import masked_weights

from .networks import ARMS, mask_of

SEQUENCE = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))


class Attention(nn.Module):
    def __init__(self, **sizes: int) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(8, 2, batch_first=True, **sizes)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.inner(inputs, inputs, inputs)[0]


class Cells(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(8, 6), nn.GRUCell(6, 5), nn.RNNCell(5, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        states = [torch.zeros(3, 6), torch.zeros(3, 6), torch.zeros(3, 5), torch.zeros(3, 4)]
        for item in inputs.unbind(1):
            states[:2] = self.lstm(item, (states[0], states[1]))
            states[2] = self.gru(states[0], states[2])
            states[3] = self.rnn(states[2], states[3])
        return states[3]


class Lists(nn.Module):
    """Parameters of the root module, in a list and in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(8, 7)), nn.Parameter(torch.zeros(7))
        self.several = nn.ParameterList([torch.randn(7, 6), torch.randn(6, 5)])
        self.named = nn.ParameterDict({"last": torch.randn(5, 4)})

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = inputs @ self.weight + self.bias
        for weight in self.several:
            inputs = torch.tanh(inputs @ weight)
        return inputs @ self.named["last"]


class Twice(nn.Module):
    """The same module under two names."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = self.first

    def forward(self, inputs: Tensor) -> Tensor:
        return self.second(torch.tanh(self.first(inputs)))


class Slots(nn.Linear):
    __slots__ = ("own",)

    def __init__(self) -> None:
        super().__init__(8, 4)
        self.own = 2.0

    def forward(self, inputs: Tensor) -> Tensor:
        return self.own * super().forward(inputs)


class Words(nn.Module):
    def __init__(self, kind: type[nn.Module], **options: object) -> None:
        super().__init__()
        self.inner = kind(9, 4, **options)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.inner((inputs[:, :, 0] * 4).long().abs().clamp(max=8))


def images(*layers: nn.Module, dimensions: int = 2) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Unflatten(1, (4, *([10], [5, 2], [5, 2, 1])[dimensions - 1])), *layers
    )


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(8, 4),
    "conv1d": lambda: images(nn.Conv1d(4, 6, 3, stride=2), dimensions=1),
    "conv2d": lambda: images(nn.Conv2d(4, 6, (3, 2), padding_mode="circular", padding=1)),
    "conv3d": lambda: images(nn.Conv3d(4, 6, (3, 2, 1)), dimensions=3),
    "transposed": lambda: images(nn.ConvTranspose2d(4, 6, 3)),
    "grouped": lambda: images(nn.Conv2d(4, 6, 2, groups=2)),
    "depthwise": lambda: images(nn.Conv2d(4, 8, 2, groups=4), nn.Conv2d(8, 3, 1)),
    "attention": lambda: Attention(),
    "attention, other sizes": lambda: Attention(kdim=8, vdim=8),
    "cells": lambda: Cells(),
    "lists": lambda: Lists(),
    "twice": lambda: Twice(),
    "slots": lambda: Slots(),
    "embedding": lambda: Words(nn.Embedding, padding_idx=0),
    "bag": lambda: Words(nn.EmbeddingBag),
    "transformer": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True), 2
    ),
}


@pytest.fixture(params=LAYERS)
def build(request) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return LAYERS[request.param]()

    return make


@pytest.mark.parametrize("dimensions", [1, 2], ids=["with biases", "weights"])
@pytest.mark.parametrize("arm", ARMS)
def test_outputs_and_gradients_are_those_of_the_plain_network(build, arm, dimensions):
    plain, model = build(), build()
    ARMS[arm](model, mask_of(model, 0.4, dimensions))
    optimizer = SGD(model.parameters(), 0.1, weight_decay=0.1)
    for _ in range(2):
        theta = cops.materialize(copy.deepcopy(model)).state_dict()
        plain.load_state_dict(theta)
        outputs = []
        for each in (model, plain):
            each.zero_grad()
            outputs.append(each(SEQUENCE))
            outputs[-1].square().mean().backward()
        torch.testing.assert_close(outputs[0], outputs[1])
        masked = masked_weights(model)
        for name, parameter in plain.named_parameters():
            expected = parameter.grad
            found = masked[name].values.grad if name in masked else model.get_parameter(name).grad
            if name in masked:
                expected = expected.reshape(-1)[masked[name].kept.places].view(found.shape)
            torch.testing.assert_close(found, expected)
        optimizer.step()
        for each in (model, plain):
            each.eval()
        plain.load_state_dict(cops.materialize(copy.deepcopy(model)).state_dict())
        with torch.no_grad():  # transformers have a path of their own here
            torch.testing.assert_close(model(SEQUENCE), plain(SEQUENCE))
        with torch.inference_mode():
            torch.testing.assert_close(model(SEQUENCE), plain(SEQUENCE))
        for each in (model, plain):
            each.train()
    cops.audit(model)


def test_a_plain_network_again(build):
    plain, model = build(), build()
    names = [name for name, _ in plain.named_parameters()]
    cops.freeze(model, mask_of(model, 0.4, 1))
    assert cops.materialize(model) is model
    assert [name for name, _ in model.named_parameters()] == names
    assert list(model.state_dict()) == list(plain.state_dict())
    for one, other in zip(model.modules(), plain.modules(), strict=True):
        assert type(one) is type(other)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
    model.load_state_dict(plain.state_dict())
    cops.freeze(model, mask_of(model, 0.4))  # and masked again
    cops.audit(model)


@pytest.mark.parametrize("density", [0.0, 1.0], ids=["nothing kept", "everything kept"])
@pytest.mark.parametrize("arm", ARMS)
def test_nothing_or_everything_kept(build, arm, density):
    model = build()
    ARMS[arm](model, mask_of(model, density))
    optimizer = torch.optim.AdamW(model.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        output = model(SEQUENCE)
        if output.requires_grad:
            output.square().mean().backward()
        optimizer.step()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    cops.audit(model)
    twin = build()
    ARMS[arm](twin, mask_of(twin, density))
    twin.load_state_dict(model.state_dict())
    torch.testing.assert_close(twin(SEQUENCE), model(SEQUENCE))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "recurrent": (lambda: nn.LSTM(8, 4), "recurrent layer.*nn.LSTMCell"),
    "max_norm": (lambda: Words(nn.Embedding, max_norm=1.0), "max_norm"),
    "sparse": (lambda: Words(nn.EmbeddingBag, sparse=True), "sparse=False"),
    "weight_norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), "weight_norm, remove"),
    "meta": (lambda: nn.Linear(3, 2, device="meta"), "meta device"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_masked_is_refused_in_one_line(kind):
    make, advice = REFUSED[kind]
    model = make()
    names = list(model.state_dict())
    with pytest.raises(InputError, match=advice) as refusal:
        cops.freeze(model, mask_of(model, 0.4))
    assert "\n" not in str(refusal.value)
    assert list(model.state_dict()) == names


def test_a_mask_that_is_not_one():
    model = nn.Sequential(nn.Linear(3, 2))
    weight = torch.ones(2, 3, dtype=torch.bool)
    for mask, advice in (
        ({"0.weight": weight.float()}, "float32: write booleans"),
        ({"0.weight": weight[:1]}, r"\(1, 3\) at '0.weight'.*\(2, 3\)"),
        ({"1.weight": weight}, "'1.weight' where the model has nothing"),
        ({}, "names no weight"),
        (None, "names no weight"),
    ):
        with pytest.raises(InputError, match=advice):
            cops.freeze(model, mask)
    cops.freeze(model, {"0.weight": weight})
    with pytest.raises(InputError, match=r"masked already: call cops\.materialize"):
        cops.prune(model, {"0.weight": weight})
