"""An interrupted trial that goes on is, bit for bit, the trial that was never interrupted."""

import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.models import MODELS
from cops_core.optimizers import SCHEDULES
from cops_core.train import DTYPES, EpochMetrics
from cops_core.trial import Trial, run_trial

COPS = Selection(target="synflow", controls=(Control(score="snip", level=0.3),), samples_per_class=2)
ARMS: dict[str, dict[str, Any]] = {
    "dense": {},
    "prune": {"arm": "prune", "selection": Selection(target="snip"), "density": "0.05"},
    "freeze": {"arm": "freeze", "selection": COPS, "density": "0.05"},
}
EPOCHS = 4


def config(arm: str = "freeze", **training) -> TrialConfig:
    """Seven batches an epoch, the last one smaller; the rate falls within and between epochs."""
    settings = {"epochs": EPOCHS, "batch_size": 200, "step_every": 5, "step_factor": 0.7} | training
    return TrialConfig(seed=3, training=Training(**settings), **ARMS[arm])


def numbers(metrics: EpochMetrics) -> dict[str, float]:
    """What an epoch reports, without the time it took."""
    return {name: value for name, value in metrics.row().items() if name != "train_seconds"}


def bits(state: Any) -> Any:
    """A copy of nested states in which tensors are bytes, so that equal means bit for bit."""
    if isinstance(state, torch.Tensor):
        return state.dtype, tuple(state.shape), state.detach().cpu().numpy().tobytes()
    if isinstance(state, dict):
        return {key: bits(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [bits(value) for value in state]
    return state


def everything(trial: Trial) -> Any:
    """All weights, what the optimizer remembers of them, and where the schedule stands."""
    return bits([trial.trainer.network.model.state_dict(), trial.trainer.state()])


def uninterrupted(settings: TrialConfig) -> tuple[list[dict[str, float]], Any]:
    trial = Trial(settings)
    rows = [numbers(trial.step()) for _ in range(EPOCHS)]
    return rows, everything(trial)


def disturb() -> None:
    """What another trial in the same process does to the global random states."""
    torch.rand(5)
    np.random.random(5)


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_in_another_trial_after_each_epoch(tmp_path, arm, schedule):
    settings = config(arm, schedule=schedule)
    rows, final = uninterrupted(settings)
    ours = []
    for epoch in range(EPOCHS):
        trial = Trial(settings)
        if epoch:
            trial.load(tmp_path / "checkpoint")
            assert numbers(trial.metrics) == rows[epoch - 1]
        assert trial.trainer.epoch == epoch
        disturb()
        ours.append(numbers(trial.step()))
        trial.save(tmp_path / "checkpoint")
    assert ours == rows
    assert everything(trial) == final
    assert trial.status == "finished"


# The checkpoint after the second epoch is in the warm-up, or after it.
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "nesterov": {"nesterov": True, "warmup_epochs": 2.5},
    "adamw": {"optimizer": "adamw", "learning_rate": 1e-3, "warmup_epochs": 2.5, "schedule": "step"},
    "adamw of freeze_wd": {"optimizer": "adamw", "weight_decay": 0.1, "max_gradient_norm": 1.0},
    "clipped": {"max_gradient_norm": 0.5, "label_smoothing": 0.1, "warmup_epochs": 1},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_with_every_optimizer(tmp_path, name):
    settings = config("freeze", **OPTIMIZERS[name])
    settings = settings.changed(arm="freeze_wd" if "freeze_wd" in name else "freeze")
    resumes_after_two_epochs(settings, tmp_path)


@pytest.mark.parametrize("precision", DTYPES)
def test_in_every_precision(tmp_path, precision):
    resumes_after_two_epochs(config(precision=precision), tmp_path)


def resumes_after_two_epochs(settings: TrialConfig, tmp_path: Path) -> None:
    rows, final = uninterrupted(settings)
    first, second = Trial(settings), Trial(settings)
    first.step()
    first.step()
    first.save(tmp_path / "checkpoint")
    second.load(tmp_path / "checkpoint")
    assert [numbers(second.step()) for _ in range(2)] == rows[2:]
    assert everything(second) == final


def normed(shape: tuple[int, int, int], classes: int) -> nn.Module:
    """Small, with running statistics after a convolution and after a linear layer."""
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(shape[0], 4, 3, stride=2, bias=False),
            norm1=nn.BatchNorm2d(4),
            relu=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(36, 20),
            norm2=nn.BatchNorm1d(20),
            fc2=nn.Linear(20, classes),
        )
    )


@pytest.mark.parametrize("arm", ARMS)
def test_with_augmentation_and_running_statistics(tmp_path, monkeypatch, arm):
    """1,293 training images in batches of 323: the single one left over joins the fourth."""
    monkeypatch.setitem(MODELS, "normed", normed)
    settings = config(arm, batch_size=323, augmentation="crop_flip").changed(model="normed")
    rows, final = uninterrupted(settings)
    plain, _ = uninterrupted(settings.changed(training=config(arm, batch_size=323).training))
    assert plain[0]["train_loss"] != rows[0]["train_loss"]
    first, second = Trial(settings), Trial(settings)
    first.step()
    first.step()
    first.save(tmp_path / "checkpoint")
    statistics = first.trainer.network.model.norm2
    assert int(statistics.num_batches_tracked) == 8
    assert statistics.running_mean.any()
    assert torch.equal(second.trainer.network.model.norm2.running_mean, torch.zeros(20))
    second.load(tmp_path / "checkpoint")
    for name, buffer in first.trainer.network.model.named_buffers():
        assert torch.equal(second.trainer.network.model.get_buffer(name), buffer)
    disturb()
    assert [numbers(second.step()) for _ in range(2)] == rows[2:]
    assert everything(second) == final


class Killed(BaseException):
    """What an operator does to a running trial."""


def reporting(rows: list[EpochMetrics], dying_in: int | None = None) -> Callable[[EpochMetrics], None]:
    def report(metrics: EpochMetrics) -> None:
        if metrics.epoch == dying_in:
            raise Killed
        rows.append(metrics)

    return report


@pytest.mark.parametrize("arm", ARMS)
def test_through_run_trial(tmp_path, arm):
    settings, checkpoint = config(arm), tmp_path / "checkpoint"
    expected: list[EpochMetrics] = []
    whole = run_trial(settings, reporting(expected))
    rows: list[EpochMetrics] = []
    for epoch in (1, 3):
        with pytest.raises(Killed):
            run_trial(settings, reporting(rows, dying_in=epoch), checkpoint=checkpoint)
        assert checkpoint.exists() is (epoch > 1)
    resumed = run_trial(settings, reporting(rows), checkpoint=checkpoint)
    assert list(map(numbers, rows)) == list(map(numbers, expected))
    assert (resumed.status, numbers(resumed.metrics)) == (whole.status, numbers(whole.metrics))
    facts = {name: fact for name, fact in whole.facts.items() if name != "seconds"}
    assert facts == {name: resumed.facts[name] for name in facts}


def test_a_report_without_its_checkpoint_is_reported_again(tmp_path, monkeypatch):
    settings, checkpoint = config(), tmp_path / "checkpoint"
    rows: list[EpochMetrics] = []
    save = Trial.save

    def killed_in_the_second_save(trial: Trial, path: Path) -> None:
        if trial.trainer.epoch == 2:
            raise Killed
        save(trial, path)

    monkeypatch.setattr(Trial, "save", killed_in_the_second_save)
    with pytest.raises(Killed):
        run_trial(settings, reporting(rows), checkpoint=checkpoint)
    monkeypatch.undo()
    run_trial(settings, reporting(rows), checkpoint=checkpoint)
    assert [metrics.epoch for metrics in rows] == [1, 2, 2, 3, 4]
    assert numbers(rows[1]) == numbers(rows[2])


def never(metrics: EpochMetrics) -> None:
    raise AssertionError(f"epoch {metrics.epoch} was run again")


@pytest.mark.parametrize("training", [{}, {"learning_rate": 1e30}], ids=["finished", "diverged"])
def test_a_trial_that_has_ended_is_not_run_again(tmp_path, training):
    settings, checkpoint = config(**training), tmp_path / "checkpoint"
    rows: list[EpochMetrics] = []
    ended = run_trial(settings, reporting(rows), checkpoint=checkpoint)
    assert ended.status == ("diverged" if training else "finished")
    again = run_trial(settings, never, checkpoint=checkpoint)
    assert again.status == ended.status
    assert repr(again.metrics) == repr(ended.metrics)  # as text, where NaN is NaN
    trial = Trial(settings)
    trial.load(checkpoint)
    with pytest.raises(RuntimeError, match=f"this trial has ended: {ended.status}"):
        trial.step()


def test_a_checkpoint_before_the_first_epoch(tmp_path):
    first, second = Trial(config()), Trial(config())
    first.save(tmp_path / "checkpoint")
    second.load(tmp_path / "checkpoint")
    assert second.metrics is None
    assert everything(first) == everything(second)


@pytest.mark.parametrize(
    "other",
    [config("prune"), config("dense"), config(momentum=0.8), config().changed(seed=4)],
    ids=["arm", "dense", "momentum", "seed"],
)
def test_another_configuration_is_refused_and_the_trial_is_as_before(tmp_path, refused, other):
    first, second = Trial(config()), Trial(other)
    first.step()
    first.save(tmp_path / "checkpoint")
    before = everything(second)
    with refused("checkpoint belongs to another configuration: resume it with its own"):
        second.load(tmp_path / "checkpoint")
    assert everything(second) == before
    assert (second.status, second.metrics) == ("running", None)


def test_a_checkpoint_holds_data_only_and_only_what_is_trained(tmp_path):
    sizes = {}
    for arm in ARMS:
        trial = Trial(config(arm))
        trial.step()
        trial.save(tmp_path / arm)
        sizes[arm] = (tmp_path / arm).stat().st_size
        state = torch.load(tmp_path / arm, weights_only=True)  # no code runs, whatever the file holds
        assert bits(state["network"]) == bits(trial.trainer.network.state())
        # A value and its velocity for each trained parameter, four bytes each; names and headers besides.
        overhead = sizes[arm] - 2 * 4 * trial.facts["trained_parameters"]
        assert 0 < overhead < 12_000
    assert sizes["freeze"] < sizes["dense"] / 10


def test_a_save_that_is_killed_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint"
    trial = Trial(config())
    trial.step()
    trial.save(path)
    assert list(tmp_path.iterdir()) == [path]
    content, at_save = path.read_bytes(), everything(trial)
    trial.step()

    def killed_half_way(file: int) -> None:
        os.ftruncate(file, len(content) // 2)
        raise Killed

    monkeypatch.setattr(os, "fsync", killed_half_way)
    with pytest.raises(Killed):
        trial.save(path)
    monkeypatch.undo()
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]
    again = Trial(config())
    again.load(path)
    assert bits(again.trainer.state()) == at_save[1]
    trial.save(path)
    assert list(tmp_path.iterdir()) == [path]
    again.load(path)
    assert again.trainer.epoch == 2


def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path, refused):
    trial = Trial(config())
    for content in (b"", b"half of a", trial.state()[:100]):
        (tmp_path / "checkpoint").write_bytes(content)
        with refused("this is not a checkpoint of a trial"):
            trial.load(tmp_path / "checkpoint")


def test_a_checkpoint_carries_every_epoch_and_what_was_found_at_the_end(tmp_path):
    first, second = Trial(config()), Trial(config())
    while not first.done:
        first.step()
    second.load_state(first.state())
    assert second.history == first.history
    assert second.facts["final_scale"] == first.facts["final_scale"]
