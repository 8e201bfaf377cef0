"""Scores in rounds are those of `compute_scores` with each round's mask, bit for bit."""

import pytest
import torch
from torch import nn

from cops_core.contracts.probes import same, unchanged_model
from cops_core.errors import InputError
from cops_core.prunable import maskable
from cops_core.remaining import Remaining
from cops_core.scores import SCORES, Member, compute_scores, scores_in_rounds
from cops_core.scores.magnitude import MAGNITUDE

SCORED = [*SCORES, Member(functional="synflow", p=2, r=0.5), Member(functional="loss", p=0.5, r=2)]
ROUNDS = 3


def narrowed(model: nn.Module, revive: bool = False):
    """What is left after each of some rounds: about two thirds of what was left before."""
    generator = torch.Generator().manual_seed(0)
    everything = slice(0, sum(weight.numel() for weight in maskable(model).values()))
    remaining = Remaining({n: w.shape for n, w in maskable(model).items()}, revive=revive)
    for _ in range(ROUNDS):
        chosen = torch.rand(remaining.candidates(everything), generator=generator) < 0.67
        remaining.choose(everything, chosen.numpy(), last=False)
        yield remaining.layers(), remaining.removed()


def require_same_as_alone(scores, model, batches, *, revive=False, rounds=None):
    rounds = rounds or scores_in_rounds(scores, model, seed=1, revive=revive)
    for batch, (mask, removed) in zip(batches, narrowed(model, revive), strict=True):
        found = rounds.compute(batch, mask, removed)
        alone = compute_scores(scores, model, batch, seed=1, mask=mask, revive=revive)
        assert list(found) == list(alone)
        for score, values in alone.items():
            assert same(found[score], values), score
            for name, value in values.items():
                assert found[score][name].dtype == value.dtype


@pytest.mark.parametrize("revive", [False, True])
def test_each_round_of_every_network(network, build, batch, revive):
    model = build(network)
    with unchanged_model(model):
        require_same_as_alone(SCORED, model, [batch] * ROUNDS, revive=revive)


@pytest.mark.parametrize("score", SCORED, ids=str)
def test_a_score_alone_in_float64_and_channels_last(build, batch, score):
    model = build("batch_norm", torch.float64).to(memory_format=torch.channels_last)
    require_same_as_alone([score], model, [batch] * ROUNDS)


def test_other_batches_in_later_rounds(build, batch):
    images, labels = batch
    others = [(images.roll(n, 0), labels) for n in range(ROUNDS)]
    require_same_as_alone(SCORED, build("batch_norm"), others)
    require_same_as_alone(SCORED, build("batch_norm"), [[batch, other] for other in others])


def test_a_layer_that_is_emptied(build, batch):
    model = build("plain")
    shapes = {name: weight.shape for name, weight in maskable(model).items()}
    remaining = Remaining(shapes, revive=False)
    rounds = scores_in_rounds(["synflow", "snip"], model, seed=1)
    first = slice(0, next(iter(shapes.values())).numel())
    for kept in (5, 0):
        chosen = torch.arange(remaining.candidates(first)) < kept
        remaining.choose(first, chosen.numpy(), last=False)
        mask = remaining.layers()
        found = rounds.compute(batch, mask, remaining.removed())
        alone = compute_scores(["synflow", "snip"], model, batch, seed=1, mask=mask)
        assert all(same(found[score], alone[score]) for score in alone)
    assert remaining.candidates(first) == 0


class OwnWeights:
    """A score that returns the weights themselves, which the next round changes."""

    traits = MAGNITUDE.traits

    def compute(self, problem):
        return dict(problem.gradient(SCORES["synflow"].functional)[1])


def test_the_values_of_a_round_do_not_change_in_the_next(build, batch, monkeypatch):
    monkeypatch.setitem(SCORES, "own weights", OwnWeights())
    model = build("plain")
    rounds = scores_in_rounds(["own weights"], model, seed=1)
    values, copies = [], []
    for mask, removed in narrowed(model):
        values.append(rounds.compute(batch, mask, removed)["own weights"])
        copies.append({name: value.clone() for name, value in values[-1].items()})
    assert all(same(*pair) for pair in zip(values, copies, strict=True))
    assert not same(values[0], values[1])


def test_a_model_that_changes_between_rounds_is_refused(build, batch):
    model = build("plain")
    rounds = scores_in_rounds(["snip"], model, seed=1)
    (first, removed), (second, more), _ = narrowed(model)
    rounds.compute(batch, first, removed)
    with torch.no_grad():
        model[0].bias.add_(1)
    with pytest.raises(InputError, match=r"changes 0.bias in place"):
        rounds.compute(batch, second, more)


class Constrained(nn.Conv2d):
    """A layer that limits its weights whenever it is run, as EEGNet's do."""

    def __init__(self, write):
        super().__init__(2, 3, 3)
        self.write = write

    def forward(self, images):
        self.write(self.weight)
        return super().forward(images)


def assign(weight):
    weight.data = torch.renorm(weight.data, p=2, dim=0, maxnorm=0.4)


def in_place(weight):
    weight.data.mul_(0.9)


def noted(weight):
    with torch.no_grad():
        weight.mul_(0.9)


@pytest.mark.parametrize("write", [assign, in_place, noted])
def test_a_network_that_writes_into_its_weights_starts_from_them_in_each_round(build, batch, write):
    model = build("plain")
    convolution = Constrained(write)
    convolution.load_state_dict(model[0].state_dict())
    model[0] = convolution
    require_same_as_alone(["snip", "gradient", "synflow"], model, [batch] * ROUNDS)
