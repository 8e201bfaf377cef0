"""Two networks share cached scores only if they compute the same function by the same code."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from cops_core.cache import ScoreCache
from cops_core.config import Selection, TrialConfig
from cops_core.models import MODELS
from cops_core.network_identity import code_of, network_sha256
from cops_core.trial import Trial

SHAPE = (1, 8, 8)


class Net(nn.Module):
    """Its text shows neither `act` nor `skip` nor `last`."""

    def __init__(self, shape, classes, act, skip=False, last=None):
        super().__init__()
        self.fc1 = nn.Linear(shape[1] * shape[2], 8)
        self.fc2 = nn.Linear(8, 8)
        self.head = nn.Linear(8, classes)
        self.act, self.skip, self.last = act, skip, last

    def forward(self, images):
        hidden = self.act(self.fc1(images.flatten(1)))
        more = self.act(self.fc2(hidden))
        logits = self.head(hidden + more if self.skip else more)
        return logits if self.last is None else self.last(logits)


class Broken(Net):
    def forward(self, images):
        raise RuntimeError("no logits")


def scaled(factor):
    return lambda values: factor * functional.relu(values)


def built(**options):
    return lambda shape, classes: Net(shape, classes, **options)


NETWORKS = {
    "relu": built(act=functional.relu),
    "tanh": built(act=torch.tanh),
    "skip": built(act=functional.relu, skip=True),
    "twice": built(act=scaled(2)),
    "thrice": built(act=scaled(3)),
    "relu6": built(act=functional.relu6),
    "last": built(act=functional.relu, last=torch.nn.Softmax(1)),
    "partial": partial(Net, act=functional.leaky_relu),
    "other partial": partial(Net, act=partial(functional.leaky_relu, negative_slope=0.2)),
    "small epsilon": built(act=lambda values: functional.layer_norm(values, (8,), eps=1e-6)),
    "epsilon": built(act=lambda values: functional.layer_norm(values, (8,), eps=1e-5)),
}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    for name, builder in NETWORKS.items():
        monkeypatch.setitem(MODELS, name.replace(" ", "_"), builder)
    monkeypatch.setitem(MODELS, "broken", lambda shape, classes: Broken(shape, classes, torch.tanh))


def identity(name: str) -> str | None:
    return network_sha256(name.replace(" ", "_"), SHAPE, 3)


def test_what_no_text_shows_is_seen():
    assert len({str(Net(SHAPE, 3, torch.tanh)), str(Net(SHAPE, 3, functional.relu, skip=True))}) == 1
    found = {name: identity(name) for name in NETWORKS}
    assert None not in found.values()
    assert len(set(found.values())) == len(NETWORKS)


def test_names_and_sizes_are_seen(monkeypatch):
    monkeypatch.setitem(MODELS, "again", NETWORKS["relu"])
    assert len({identity("relu"), identity("again"), network_sha256("relu", SHAPE, 4)}) == 3


def test_a_new_builder_of_the_same_name_is_another_network(monkeypatch):
    before = identity("relu")
    monkeypatch.setitem(MODELS, "relu", NETWORKS["tanh"])
    assert identity("relu") not in (before, None)


def test_it_is_the_same_in_every_process():
    code = (
        "import torch; torch.set_num_threads(1)\n"
        "from cops_core.network_identity import network_sha256\n"
        "print(network_sha256('lenet_5_caffe', (1, 16, 16), 3))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_nothing_global_is_changed():
    torch.manual_seed(5)
    state = torch.get_rng_state()
    identity("skip")
    assert torch.equal(state, torch.get_rng_state())


def test_the_same_code_has_the_same_hash_wherever_it_stands():
    def load(text: str) -> bytes:
        space: dict[str, object] = {"__name__": "mine"}
        exec(compile(text, "mine.py", "exec"), space)
        return b"".join(code_of(space["build"]))

    text = "def half(x):\n    return x / 2\n"
    text += "def build(shape, classes, kinds={'a', 'b', 'c'}):\n    return half(3)\n"
    assert load(text) == load("\n\n# moved\n" + text)
    assert load(text) != load(text.replace("half(3)", "half(4)"))
    assert load(text) != load(text.replace("x / 2", "x / 3")), "a function that the builder calls"


def test_a_network_that_cannot_run_has_no_identity():
    assert identity("broken") is None


def trial(name: str, cache: ScoreCache | None) -> Trial:
    selection = Selection(target="snip")
    config = TrialConfig(dataset="digits", model=name, arm="freeze", selection=selection, density="0.1")
    return Trial(config, cache=cache)


def test_twins_keep_their_own_masks(tmp_path):
    cache = ScoreCache(tmp_path)
    for name in ("relu", "tanh", "skip"):
        alone, first, again = trial(name, None), trial(name, cache), trial(name, cache)
        masks = {each.facts["mask_sha256"] for each in (alone, first, again)}
        assert len(masks) == 1
        assert first.facts["scores_computed"] == {"snip": 1}
        assert again.facts["scores_cached"] == {"snip": 1}
