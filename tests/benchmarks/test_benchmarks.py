"""Each benchmark runs in its smallest form, and ends in one line where its data are missing."""

import inspect
from functools import partial
from pathlib import Path

import pytest
import torch

from cops_core.trial import Trial
from study.tracking import MlflowView

FOLDER = Path(__file__).parent
HELPERS = {"command", "conftest", "markdown", "pages"}
NAMES = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if path.stem not in HELPERS and not path.stem.startswith("test_")
)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_help(benchmark, refused, name, capsys):
    assert refused(benchmark(name), "--help") == "0"
    assert "Usage: " in capsys.readouterr().out
    assert "    as_command(main)\n" in (FOLDER / f"{name}.py").read_text()


def test_where_fashion_mnist_is_missing(benchmark, refused, monkeypatch, tmp_path):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setattr("cops_core.data.idx.DEBIAN_FASHION_MNIST", tmp_path / "none")
    epochs = benchmark("epoch_speed")
    monkeypatch.setattr(epochs, "Trial", partial(Trial, data_root=tmp_path / "data"))
    throughput = benchmark("throughput")
    monkeypatch.setattr(throughput, "FASHION_MNIST", tmp_path / "none")
    for module in (epochs, throughput):
        said = refused(module)
        assert said.startswith("error: ")
        assert "install Debian's package dataset-fashion-mnist" in said
        assert "\n" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["step_speed", "score_speed", "round_speed"])
def test_an_unknown_network(benchmark, refused, name):
    assert refused(benchmark(name), "--model", "lenet").startswith("error: unknown model 'lenet'")


def test_what_stands_in_for_mlflow_takes_what_mlflows_view_takes(benchmark):
    stand_in = benchmark("study_speed").NoMlflow
    for name, method in inspect.getmembers(MlflowView, inspect.isfunction):
        if not name.startswith("_"):
            theirs = inspect.signature(getattr(stand_in, name)).parameters
            assert list(theirs) == list(inspect.signature(method).parameters), name


def test_rounds_written_by_hand_have_the_masks_of_ours(benchmark, monkeypatch):
    rounds = benchmark("round_speed")
    monkeypatch.setitem(rounds.ROUNDS, "synflow", 3)
    seconds, masks = rounds.measure("lenet_300_100", "synflow", 1)
    assert int(masks["ours"].sum()) == 2662
    assert {which: torch.equal(mask, masks["ours"]) for which, mask in masks.items()}["by hand"]
    assert min(float(each.min()) for each in seconds.values()) > 0
