"""What a network draws while it is trained and evaluated comes from a stream per (seed, epoch)."""

import random
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from cops_core.config import Selection, Training, TrialConfig
from cops_core.generators import seeded_generators
from cops_core.models import MODELS
from cops_core.trial import Trial


class Layer(nn.Module):
    """Adds what `draw` draws; also in evaluation if `always`."""

    def __init__(self, draw, always=False) -> None:
        super().__init__()
        self.draw, self.always = draw, always
        self.torchs = torch.Generator().manual_seed(7)
        self.numpys = np.random.default_rng(7)
        self.pythons = random.Random(7)

    def forward(self, values):
        return values + self.draw(self, values) if self.training or self.always else values


LAYERS = {
    "dropout": lambda: nn.Dropout(0.5),
    "alpha dropout": lambda: nn.AlphaDropout(0.5),
    "rrelu": lambda: nn.RReLU(),
    "noise": lambda: Layer(lambda layer, values: torch.randn_like(values)),
    "depth": lambda: Layer(lambda layer, values: values * (torch.rand(len(values), 1) < 0.5)),
    "numpy": lambda: Layer(lambda layer, values: values * np.random.rand()),
    "python": lambda: Layer(lambda layer, values: values * random.random()),
    "own of torch": lambda: Layer(lambda layer, values: torch.rand(8, generator=layer.torchs)),
    "own of numpy": lambda: Layer(lambda layer, values: values * layer.numpys.random()),
    "own of python": lambda: Layer(lambda layer, values: values * layer.pythons.random()),
    "always": lambda: Layer(lambda layer, values: torch.randn_like(values), always=True),
}
EPOCHS = 3


@pytest.fixture(params=LAYERS)
def trial(request, monkeypatch):
    def build(shape, classes):
        layers = {"fc": nn.Linear(64, 8), "random": LAYERS[request.param](), "head": nn.Linear(8, classes)}
        return nn.Sequential(OrderedDict(flat=nn.Flatten(), **layers))

    monkeypatch.setitem(MODELS, "random_layers", build)

    def make(seed=0):
        training = Training(epochs=EPOCHS, batch_size=500, learning_rate=0.5)
        chosen = {"selection": Selection(target="snip"), "density": "0.2"}
        return Trial(TrialConfig(model="random_layers", arm="freeze", training=training, seed=seed, **chosen))

    return make


def numbers(trial: Trial) -> list[tuple[float, ...]]:
    while not trial.done:
        trial.step()
    return [(row.train_loss, row.validation_loss, row.validation_accuracy) for row in trial.history]


def test_it_is_the_same_in_each_run_and_after_each_checkpoint(trial):
    whole = trial()
    states = []
    while not whole.done:
        states.append(whole.state())
        torch.rand(3)  # nothing global matters
        np.random.rand(3)
        random.random()
        whole.step()
    expected = numbers(whole)
    assert numbers(trial()) == expected
    for state in states:
        resumed = trial()
        resumed.load_state(state)
        assert numbers(resumed) == expected
    assert numbers(trial(seed=1)) != expected


def test_global_generators_are_as_before(trial):
    def states():
        return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()

    before = states()
    numbers(trial())
    assert states() == before


def test_each_epoch_has_its_own_stream():
    draws = []
    for purpose in (("random layers", 1), ("random layers", 2), ("other", 1)):
        with seeded_generators(0, *purpose):
            draws.append((float(torch.rand(())), np.random.rand(), random.random()))
    assert len({value for draw in draws for value in draw}) == 9


def test_generators_come_back_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(IndexError), seeded_generators(0, "any"):
        torch.rand(3)[int(torch.randint(5, 9, ()))]
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.gpu
def test_a_gpu_has_its_stream_too(monkeypatch):
    def build(shape, classes):
        layers = {"fc": nn.Linear(64, 8), "drop": nn.Dropout(0.5), "head": nn.Linear(8, classes)}
        return nn.Sequential(OrderedDict(flat=nn.Flatten(), **layers))

    monkeypatch.setitem(MODELS, "random_layers", build)
    config = TrialConfig(model="random_layers", training=Training(epochs=2))
    whole = Trial(config, device="cuda")
    whole.step()
    resumed = Trial(config, device="cuda")
    resumed.load_state(whole.state())
    assert numbers(whole) == numbers(resumed) == numbers(Trial(config, device="cuda"))
