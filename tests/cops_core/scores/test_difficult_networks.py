"""Networks of a user's own: each score is right, or says in one line which layer does not allow it."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from cops_core.collapse import connectivity
from cops_core.contracts.probes import unchanged_model
from cops_core.errors import InputError
from cops_core.mask import Mask
from cops_core.prunable import maskable
from cops_core.scores import OWN_SCORES, compute_scores

SCORES = ["magnitude", "snip", "grasp", "synflow", "fisher", "prospr"]
TWICE = ["grasp", "prospr"]  # need a second derivative
SHAPE = (2, 6, 6)


class Base(nn.Module):
    """A convolution, a function that subclasses replace, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.head = nn.Linear(16, 3)
        self.blur = torch.full((2, 1, 3, 3), 1 / 9)  # neither a parameter nor a buffer

    def before(self, images: Tensor) -> Tensor:
        return images

    def activate(self, images: Tensor) -> Tensor:
        return torch.relu(self.conv(images))

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.activate(self.before(images))
        return self.head(functional.adaptive_avg_pool2d(hidden, 2).flatten(1))


class Checkpoint(Base):
    reentrant = False

    def activate(self, images: Tensor) -> Tensor:
        return checkpoint(super().activate, images, use_reentrant=self.reentrant)


class Reentrant(Base):
    def activate(self, images: Tensor) -> Tensor:
        return checkpoint(torch.relu, self.conv(images), use_reentrant=True)


class DataDependent(Base):
    def activate(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.conv(images))
        return hidden if hidden.mean() > -1 else hidden * 0.5


class FreshTensor(Base):
    def activate(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.conv(images))
        out = torch.zeros_like(hidden[:1]).repeat(len(hidden), 1, 1, 1)
        out[:] = hidden
        return out


class Hardsigmoid(Base):
    def activate(self, images: Tensor) -> Tensor:
        return functional.hardsigmoid(self.conv(images))


class HardsigmoidByHand(Base):
    def activate(self, images: Tensor) -> Tensor:
        return functional.relu6(self.conv(images) + 3) / 6


class Attention(Base):
    def activate(self, images: Tensor) -> Tensor:
        hidden = self.conv(images).flatten(2).transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(hidden, hidden, hidden)
        return mixed.transpose(1, 2).reshape(len(images), 4, 6, 6)


class AttentionByHand(Base):
    def activate(self, images: Tensor) -> Tensor:
        hidden = self.conv(images).flatten(2).transpose(1, 2)
        mixed = torch.softmax(hidden @ hidden.transpose(1, 2) / 2, -1) @ hidden
        return mixed.transpose(1, 2).reshape(len(images), 4, 6, 6)


class CastsInput(Base):
    def before(self, images: Tensor) -> Tensor:
        return images.float()


class NamesFloat32(Base):
    def before(self, images: Tensor) -> Tensor:
        return images.to(dtype=torch.float32) + torch.zeros(6, dtype=torch.float32)


class MatrixInForward(Base):
    def before(self, images: Tensor) -> Tensor:
        return images @ torch.eye(images.shape[-1])


class FilledTensor(Base):
    def before(self, images: Tensor) -> Tensor:
        out = torch.zeros(images.shape)
        out[:] = images
        return out


class PlainTensor(Base):
    def before(self, images: Tensor) -> Tensor:
        return functional.conv2d(images, self.blur, padding=1, groups=2)


class Buffer(Base):
    def __init__(self) -> None:
        super().__init__()
        plain = self.blur
        del self.blur
        self.register_buffer("blur", plain)

    def before(self, images: Tensor) -> Tensor:
        return functional.conv2d(images, self.blur, padding=1, groups=2)


class InPlaceOnInput(Base):
    def before(self, images: Tensor) -> Tensor:
        return images.mul_(1)


def built(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return kind()


def half(model: nn.Module) -> Mask:
    generator = torch.Generator().manual_seed(0)
    return Mask({n: torch.rand(w.shape, generator=generator) < 0.5 for n, w in maskable(model).items()})


SAME = [
    (Checkpoint, Base),
    (DataDependent, Base),
    (FreshTensor, Base),
    (CastsInput, Base),
    (NamesFloat32, Base),
    (MatrixInForward, Base),
    (FilledTensor, Base),
    (InPlaceOnInput, Base),
    (PlainTensor, Buffer),
    (Hardsigmoid, HardsigmoidByHand),
    (Attention, AttentionByHand),
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("kind", "plain"), SAME)
def test_values_are_those_of_the_same_network_without_the_difficulty(batch, kind, plain, masked):
    model, expected = built(kind), built(plain)
    mask = half(model) if masked else None
    with unchanged_model(model):
        ours = compute_scores(SCORES, model, batch, seed=1, mask=mask)
    theirs = compute_scores(SCORES, expected, batch, seed=1, mask=mask)
    for score in SCORES:
        for name, value in theirs[score].items():
            assert torch.allclose(ours[score][name], value, rtol=1e-4, atol=1e-7), (score, name)
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize(("kind", "plain"), [*SAME, (Reentrant, Base)])
def test_connectivity_is_that_of_the_same_network(kind, plain):
    model, expected = built(kind), built(plain)
    with unchanged_model(model):
        found = connectivity(model, SHAPE, half(model))
    if kind is DataDependent:
        assert found.unknown is not None
    else:
        assert found == connectivity(expected, SHAPE, half(expected))


@pytest.mark.parametrize("twice", TWICE)
def test_a_reentrant_checkpoint_allows_all_scores_without_second_derivative(batch, twice):
    model, expected = built(Reentrant), built(Base)
    others = [score for score in SCORES if score not in TWICE]
    ours, theirs = (compute_scores(others, each, batch, seed=1) for each in (model, expected))
    for score in others:
        for name, value in theirs[score].items():
            assert torch.allclose(ours[score][name], value, rtol=1e-4, atol=1e-7), (score, name)
    with unchanged_model(model), pytest.raises(InputError, match="use_reentrant=False") as error:
        compute_scores([twice], model, batch, seed=1)
    assert f"score {twice!r}" in str(error.value)
    assert "in the network's own forward (Reentrant)" in str(error.value)
    assert "\n" not in str(error.value)


class ReentrantLayer(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return checkpoint(torch.sin, images, use_reentrant=True)


def test_a_reentrant_checkpoint_inside_a_layer_is_named_with_it(batch):
    model = built(Base)
    model.head = nn.Sequential(model.head, ReentrantLayer(), nn.Tanh())
    with unchanged_model(model), pytest.raises(InputError, match=r"in head\.1 \(ReentrantLayer\): write"):
        compute_scores(["grasp"], model, batch, seed=1)


class OnceDifferentiable(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images):
        return images * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return gradient * 2


class OnceLayer(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return OnceDifferentiable.apply(images)


class Refuses(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        raise ValueError("only\nsquares")


@pytest.mark.parametrize(
    ("layer", "score", "words"),
    [
        (OnceLayer(), "grasp", "once_differentiable"),
        (OnceLayer(), "prospr", "once_differentiable"),
        (Refuses(), "snip", "in act (Refuses) (ValueError: only squares)"),
    ],
)
def test_a_message_names_the_score_and_the_layer(batch, layer, score, words):
    model = built(Base)
    model.add_module("act", layer)
    model.activate = lambda images: layer(model.conv(images))
    with pytest.raises(InputError) as error:
        compute_scores([score], model, batch, seed=1)
    message = str(error.value)
    assert f"score {score!r}" in message
    assert words in message
    assert "write another score" in message
    assert "\n" not in message


def test_every_score_of_the_project_is_tried():
    assert set(SCORES) | {"random", "gradient"} == set(OWN_SCORES)


def test_grasp_names_the_layer_of_a_function_without_second_derivative(batch, monkeypatch):
    class Gate(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return functional.hardsigmoid(images)

    monkeypatch.setattr("cops_core.scores.grasp.TwiceDifferentiable", torch.enable_grad)
    model = built(Base)
    model.gate = Gate()
    model.activate = lambda images: model.gate(model.conv(images))
    with unchanged_model(model), pytest.raises(InputError) as error:
        compute_scores(["grasp"], model, batch, seed=1)
    assert "score 'grasp' needs a derivative that torch's hardsigmoid" in str(error.value)
    assert "in gate (Gate)" in str(error.value)
