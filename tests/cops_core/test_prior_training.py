"""Masks of trained networks: against plain loops, with every score, shared, killed, resumed."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from cops_core.artifact import load_artifact
from cops_core.cache import ScoreCache
from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.data import load_data, split_once
from cops_core.errors import DivergedError
from cops_core.initialization import initial_network
from cops_core.mask import flatten, kept_weights, top_kappa, unflatten
from cops_core.models import MODELS
from cops_core.scores import SCORES, compute_scores
from cops_core.streams import stream
from cops_core.trial import DEFAULT_DATA_ROOT, Trial

WEIGHTS = ("fc1.weight", "fc2.weight", "fc3.weight")
Values = dict[str, torch.Tensor]


def config(arm: str = "prune", epochs: int = 3, **changes) -> TrialConfig:
    training = {"epochs": epochs, "batch_size": 200, "precision": "float64"}
    training |= {name: changes.pop(name) for name in Training.model_fields if name in changes}
    top = {name: changes.pop(name) for name in TrialConfig.model_fields if name in changes}
    selection = Selection(**{"target": "magnitude", "at": "trained"} | changes)
    fields = {"arm": arm, "density": "0.1", "selection": selection, "training": Training(**training)}
    return TrialConfig(**fields | top)


def dense(settings: TrialConfig) -> Trial:
    """The dense network, trained with the recipe of a trial."""
    trial = Trial(settings.changed(arm="dense", selection=None, density=None))
    while not trial.done:
        trial.step()
    return trial


def finished(settings: TrialConfig, cache: ScoreCache | None = None) -> Trial:
    trial = Trial(settings, cache=cache)
    while not trial.done:
        trial.step()
    return trial


def result(trial: Trial) -> tuple:
    """All that must not depend on the cache."""
    before = {n: v for n, v in trial.facts["before_mask"].items() if n not in ("seconds", "cached")}
    rows = [{n: v for n, v in row.row().items() if n != "train_seconds"} for row in trial.history]
    return trial.facts["mask_sha256"], before, rows, trial.artifact()


class PlainLoop:
    """SGD with momentum and a cosine, on dense weights whose pruned ones are set to zero after each step."""

    def __init__(self, settings: TrialConfig) -> None:
        self.settings = settings
        self.data = load_data("digits", DEFAULT_DATA_ROOT)
        self.split = split_once(self.data, settings.seed, settings.validation_fraction)
        self.model = self.network()
        self.theta0 = self.values()
        self.loss = math.nan

    def network(self) -> nn.Module:
        settings, data = self.settings, self.data
        found, _ = initial_network(settings.model, data.shape, data.classes, settings.seed)
        return found.double()

    def values(self) -> Values:
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def train(self, start: Values, mask: Values, first: int, last: int) -> Values:
        training, part = self.settings.training, self.split.train
        self.model.load_state_dict(start)
        parameters = dict(self.model.named_parameters())
        velocity = {name: torch.zeros_like(value) for name, value in parameters.items()}
        per_epoch = math.ceil(len(part) / training.batch_size)
        steps, step = training.epochs * per_epoch, first * per_epoch
        for name, keep in mask.items():
            parameters[name].data *= keep
        for epoch in range(first + 1, last + 1):
            order, total = stream(self.settings.seed, "batch order", epoch).permutation(len(part)), 0.0
            for place in range(0, len(part), training.batch_size):
                taken = torch.from_numpy(order[place : place + training.batch_size])
                images, labels = part.at(taken).double(), part.labels[taken]
                loss = cross_entropy(self.model(images), labels)
                total += float(loss.detach()) * len(labels)
                gradients = torch.autograd.grad(loss, list(parameters.values()))
                rate = training.learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
                for (name, value), gradient in zip(parameters.items(), gradients, strict=True):
                    move = gradient + training.weight_decay * value.data
                    velocity[name] = training.momentum * velocity[name] + move
                    value.data -= rate * velocity[name]
                    value.data *= mask.get(name, 1.0)
                step += 1
            self.loss = total / len(part)
        return self.values()


@pytest.mark.parametrize("rewind", [0, 1, "learning_rate"])
def test_iterative_magnitude_pruning_is_a_plain_loop(rewind):
    settings = config(rounds=3, rewind=rewind)
    loop, epochs = PlainLoop(settings), settings.training.epochs
    everything = {name: torch.ones_like(loop.theta0[name]) for name in WEIGHTS}
    trained = loop.train(loop.theta0, everything, 0, epochs)
    start, first = loop.theta0, 0
    if rewind == 1:
        start, first = loop.train(loop.theta0, everything, 0, 1), 1
    keep = np.ones(50_200, dtype=bool)
    for round_ in (1, 2, 3):
        size = np.concatenate([trained[name].abs().flatten().numpy() for name in WEIGHTS])
        kappa = math.floor(50_200 * 0.1 ** (round_ / 3) + 0.5)
        best = sorted(np.flatnonzero(keep), key=lambda place: -size[place])[:kappa]
        keep = np.zeros(50_200, dtype=bool)
        keep[best] = True
        shapes = {name: loop.theta0[name].shape for name in WEIGHTS}
        mask = unflatten(keep, shapes)
        if rewind == "learning_rate":
            start = trained
        trained = loop.train(start, {name: layer.double() for name, layer in mask.items()}, first, epochs)
    trial = finished(settings)
    assert trial.facts["mask_sha256"] == mask.sha256()
    assert trial.history[-1].train_loss == pytest.approx(loop.loss, rel=1e-9)
    assert [row.epoch for row in trial.history] == list(range(first + 1, epochs + 1))
    final = {name: trial.trainer.network.masked[name].theta().detach() for name in WEIGHTS}
    for name in WEIGHTS:
        torch.testing.assert_close(final[name], trained[name], rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
def test_every_score_is_that_of_the_trained_network(score, tmp_path):
    settings = config(target=score, epochs=1)
    trial = Trial(settings, cache=ScoreCache(tmp_path))
    model = dense(settings).trainer.network.model
    batch, _ = trial.trainer.split.scoring_batch(settings.seed, settings.selection.samples_per_class)
    scores = compute_scores([score], model, batch, seed=settings.seed)[score]
    values = flatten(scores)
    expected = unflatten(
        top_kappa(values, kept_weights(settings.density, values.size)),
        {name: layer.shape for name, layer in scores.items()},
    )
    assert trial.facts["mask_sha256"] == expected.sha256()
    assert (trial.facts["manifest"]["at"], trial.facts["manifest"]["rewind"]) == ("trained", 0)


def test_the_dense_training_is_that_of_the_dense_trial():
    settings = config(epochs=2, rewind="learning_rate", density="1")
    trial, whole = Trial(settings), dense(settings)
    for name, weight in whole.trainer.network.model.named_parameters():
        found = trial.trainer.network.trained[name].view(weight.shape)
        assert torch.equal(found, weight), name


def test_rewinding_to_an_epoch_resumes_its_schedule_and_values():
    settings = config(rewind=1, density="1")
    trial, whole = Trial(settings), Trial(settings.changed(arm="dense", selection=None, density=None))
    whole.step()
    assert trial.trainer.scheduler.get_last_lr() == whole.trainer.scheduler.get_last_lr()
    for name, weight in whole.trainer.network.model.named_parameters():
        assert torch.equal(trial.trainer.network.trained[name].view(weight.shape), weight), name


def normed(shape, classes):
    inputs = math.prod(shape)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, classes)
    )


@pytest.mark.parametrize("rewind", [1, "learning_rate"])
@pytest.mark.parametrize("shared", [False, True])
def test_running_statistics_and_biases_are_rewound_with_the_weights(rewind, shared, monkeypatch, tmp_path):
    monkeypatch.setitem(MODELS, "normed", normed)
    settings = config(model="normed", rewind=rewind, target="snip", epochs=2)
    if shared:
        finished(settings, ScoreCache(tmp_path))
    trial = Trial(settings, cache=ScoreCache(tmp_path) if shared else None)
    whole = Trial(settings.changed(arm="dense", selection=None, density=None))
    for _ in range(1 if rewind == 1 else 2):
        whole.step()
    expected, found = whole.trainer.network.state(), trial.trainer.network.state()
    for name, buffer in expected["buffers"].items():
        assert torch.equal(found["buffers"][name], buffer), name
    for name, value in expected["trained"].items():
        if name not in trial.trainer.network.places:
            assert torch.equal(found["trained"][name], value), name


def test_the_masked_network_is_frozen_at_theta0():
    pruned, frozen = Trial(config(rounds=2)), finished(config("freeze", rounds=2))
    assert frozen.facts["mask_sha256"] == pruned.facts["mask_sha256"], "the arm does not change the mask"
    assert frozen.status == "finished"  # its audit compares every frozen weight with the seed's


@pytest.mark.parametrize("changes", [{}, {"rounds": 2}, {"rounds": 2, "rewind": 1}])
def test_results_are_the_same_with_and_without_a_cache(changes, tmp_path):
    settings, cache = config(**changes), ScoreCache(tmp_path)
    alone, first, second = finished(settings), finished(settings, cache), finished(settings, cache)
    assert result(alone) == result(first) == result(second)
    trainings = second.facts["before_mask"]["trainings"]
    assert [t.facts["before_mask"]["cached"] for t in (alone, first, second)] == [0, 0, trainings]
    assert second.facts["before_mask"]["seconds"] == first.facts["before_mask"]["seconds"]


OTHERS = {
    "score": {"target": "snip"},
    "controls": {"target": "snip", "controls": (Control(score="magnitude", level=0.3),)},
    "density": {"density": "0.02"},
    "rounds": {"rounds": 2},
    "scope": {"scope": "erk"},
    "learning-rate rewinding": {"rewind": "learning_rate"},
    "probes": {"probes": True},
}


def test_all_trials_with_a_seed_and_a_recipe_share_the_dense_training(tmp_path):
    cache = ScoreCache(tmp_path)
    Trial(config(epochs=1), cache=cache)
    for name, changes in OTHERS.items():
        trial = Trial(config(epochs=1, **changes), cache=cache)
        assert trial.facts["before_mask"]["cached"] == 1, name
    assert Trial(config("freeze", epochs=1), cache=cache).facts["before_mask"]["cached"] == 1


@pytest.mark.parametrize("changes", [{"seed": 1}, {"learning_rate": 0.01}, {"epochs": 2}, {"model": "mlp"}])
def test_trials_with_another_training_do_not(changes, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "mlp", normed)
    cache = ScoreCache(tmp_path)
    Trial(config(epochs=1), cache=cache)
    trial = Trial(config(**{"epochs": 1} | changes), cache=cache)
    assert trial.facts["before_mask"]["cached"] == 0


def test_an_epoch_that_nobody_has_kept_is_trained_again(tmp_path):
    cache = ScoreCache(tmp_path)
    finished(config(), cache)
    rewound = config(rewind=2)
    assert result(finished(rewound, cache)) == result(finished(rewound))


def test_trained_weights_have_no_entry_among_the_scores(tmp_path):
    cache = ScoreCache(tmp_path)
    Trial(config(epochs=1, target="snip"), cache=cache)
    assert not list(tmp_path.glob("*.safetensors"))
    before = Trial(config(epochs=1, target="snip", at="initial"), cache=cache)
    assert before.facts["scores_computed"] == {"snip": 1}


def test_the_cost_by_hand():
    trial = Trial(config(epochs=2, rounds=2, rewind=1))
    images, steps = len(trial.trainer.split.train), len(trial.trainer.sizes)
    whole = trial.facts["accounting"]["dense_training_multiply_adds"]
    kappa = math.floor(50_200 * 0.1**0.5 + 0.5)
    before = trial.facts["before_mask"]
    assert (before["trainings"], before["epochs"], before["steps"]) == (2, 3, 3 * steps)
    # Forward, gradients of the weights, gradients of the inputs of all layers but the first.
    pruned = (before["multiply_adds"] - 2 * images * whole) / images
    assert 2 * kappa < pruned < 3 * kappa
    assert before["seconds"] > 0
    assert json.loads(json.dumps(trial.facts, allow_nan=False)) == trial.facts


def test_without_training_before_the_mask_there_is_no_cost_of_it():
    assert "before_mask" not in Trial(config(epochs=1, at="initial")).facts


@pytest.mark.parametrize("changes", [{"rounds": 2}, {"rewind": 1}, {"rewind": "learning_rate"}])
def test_a_resumed_trial_has_the_same_results(changes):
    settings = config(**changes)
    whole, interrupted = finished(settings), Trial(settings)
    interrupted.step()
    state = interrupted.state()
    resumed = Trial(settings)
    resumed.load_state(state)
    while not resumed.done:
        resumed.step()
    assert result(resumed) == result(whole)


@pytest.mark.parametrize("rewind", [0, 1, "learning_rate"])
def test_the_artefact_is_the_network(rewind):
    trial = finished(config(rewind=rewind, epochs=2, precision="float32"))
    loaded, data = load_artifact(trial.artifact()), load_data("digits", DEFAULT_DATA_ROOT)
    right = loaded.predict(data.test_images) == data.test_labels
    assert float(right.double().mean()) == trial._test()


@pytest.mark.parametrize("rewind", [0, 2])
def test_a_dense_network_that_diverges_is_a_result(rewind, tmp_path):
    settings, cache = config(learning_rate=1e200, rewind=rewind), ScoreCache(tmp_path)
    for _ in range(2):
        with pytest.raises(DivergedError, match=r"dense network diverged in epoch 1 .*learning_rate"):
            Trial(settings, cache=cache)


SHARING = """
import json, sys
from pathlib import Path
from cops_core.cache import ScoreCache
from cops_core.config import parse_config
from cops_core.train import Trainer
from cops_core.trial import Trial
import torch

torch.set_num_threads(1)
original = Trainer.run_epoch

def run_epoch(self):
    print("epoch", flush=True)
    if sys.argv[3] == "hang":
        sys.stdin.readline()
    return original(self)

Trainer.run_epoch = run_epoch
print("ready", flush=True)
sys.stdin.readline()
trial = Trial(parse_config(json.loads(sys.argv[2])), cache=ScoreCache(Path(sys.argv[1])))
print(json.dumps([trial.facts["mask_sha256"], trial.facts["before_mask"]]), flush=True)
"""


def process(folder: Path, settings: TrialConfig, *how: str) -> subprocess.Popen[str]:
    """A process that is ready to make a trial."""
    command = [sys.executable, "-c", SHARING, str(folder), settings.model_dump_json(), *(how or ("run",))]
    found = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert found.stdout.readline() == "ready\n"
    return found


def go(running: subprocess.Popen[str]) -> None:
    running.stdin.write("go\n")
    running.stdin.flush()


@pytest.mark.slow
def test_of_two_processes_one_trains_and_the_other_waits(tmp_path):
    settings = config(epochs=2)
    running = [process(tmp_path, settings), process(tmp_path, settings)]
    for each in running:
        go(each)
    said = [each.communicate(timeout=300)[0].split("\n") for each in running]
    assert sorted(lines.count("epoch") for lines in said) == [0, 2]
    (one, first), (other, second) = (json.loads(lines[-2]) for lines in said)
    assert one == other
    assert {**first, "cached": 0} == {**second, "cached": 0}, "the seconds are those of the one that trained"
    assert first["cached"] + second["cached"] == 1


@pytest.mark.slow
def test_one_that_is_killed_in_the_middle_leaves_it_to_another(tmp_path):
    settings = config(epochs=2)
    killed, waiting = process(tmp_path, settings, "hang"), process(tmp_path, settings)
    go(killed)
    assert killed.stdout.readline() == "epoch\n"  # it has the lock
    go(waiting)
    killed.kill()
    killed.communicate()
    assert waiting.communicate(timeout=300)[0].split("\n")[:2] == ["epoch", "epoch"]
    assert result(finished(settings, ScoreCache(tmp_path))) == result(finished(settings))
