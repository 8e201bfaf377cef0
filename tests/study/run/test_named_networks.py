"""Studies of networks by name: two of timm on digits, ResNet-20 on a part of Fashion-MNIST."""

import io
import json

import pytest
from rich.console import Console

from cops_core.artifact import load_artifact
from cops_core.data import load_data
from cops_core.models.packages import package_extensions
from study.networks.replay import SAME, replay

from .command import children, cops

pytestmark = pytest.mark.slow

FEW = """
from dataclasses import replace
from cops_core.data.idx import fashion_mnist


def few(root):
    data = fashion_mnist(root)
    return replace(
        data,
        name="few",
        train_images=data.train_images[:500],
        train_labels=data.train_labels[:500],
        test_images=data.test_images[:500],
        test_labels=data.test_labels[:500],
    )


DATASETS = {"few": few}
"""

WIDE = """
from dataclasses import replace
from cops_core.data.digits import digits


def digits_32(root):
    data = digits(root)
    parts = (data.train_images, data.test_images)
    train, test = (images.repeat_interleave(4, 2).repeat_interleave(4, 3) for images in parts)
    return replace(data, name="digits_32", train_images=train, test_images=test)


DATASETS = {"digits_32": digits_32}
"""


def records(folder, name):
    files = sorted((folder / "cops-home" / "studies" / name / "trials").glob("*.json"))
    return [json.loads(file.read_text()) for file in files]


def test_a_network_of_timm_on_digits_is_launched_resumed_replayed_and_loaded(tmp_path):
    model, words = "timm/test_resnet", ("--epochs", 1, "--rates", "0.9", "--name", "tiny")
    done = cops(tmp_path, "launch", "quickstart", "--model", model, "--lr", 0.02, "--trials", 3, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{model} on digits: xavier_normal draws the 371,280 weights of" in done.stdout
    done = cops(tmp_path, "resume", "tiny", "--trials", 4)
    assert done.returncode == 0, done.stdout + done.stderr
    found = records(tmp_path, "tiny")
    assert len(found) == 4
    assert {record["config"]["model"] for record in found} == {model}
    assert {record["config"]["training"]["learning_rate"] for record in found} == {0.02}
    assert all("learning_rate" not in record["parameters"] for record in found)
    assert all(record["status"] == "finished" for record in found[:3])
    _, _, nested = children(tmp_path / "cops-home", "tiny")
    (frozen,) = (run for run in nested if run.data.tags["mlflow.runName"].startswith("freeze snip"))
    home, said = tmp_path / "cops-home", io.StringIO()
    places = {"home": home, "tracking_uri": None, "data_root": tmp_path, "extensions": {}}
    assert replay(frozen.info.run_id, **places, console=Console(file=said, width=200)) == SAME
    assert "metrics identical bit for bit" in said.getvalue()
    (file, *_) = sorted((tmp_path / "cops-home" / "studies" / "tiny" / "artifacts").glob("*.safetensors"))
    loaded = load_artifact(file)
    assert loaded.header.extensions == package_extensions(model)
    assert len(loaded.predict(load_data("digits", tmp_path).test_images)) == 360


@pytest.mark.fashion
def test_resnet20_on_a_part_of_fashion_mnist(tmp_path):
    (tmp_path / "few.py").write_text(FEW)
    words = ("--dataset", "few", "--model", "resnet20", "--epochs", 1, "--rates", "0.9", "--trials", 3)
    done = cops(tmp_path, "launch", "fashion_mnist", *words, "--plugin", "few.py")
    assert done.returncode == 0, done.stdout + done.stderr
    found = records(tmp_path, "fashion_mnist")
    assert [record["config"]["model"] for record in found] == ["resnet20"] * 3
    assert {record["facts"]["parameters"] for record in found} == {269_434}


def test_a_transformer_of_timm_on_digits_of_32_by_32(tmp_path):
    (tmp_path / "wide.py").write_text(WIDE)
    words = ("--dataset", "digits_32", "--model", "timm/test_vit", "--epochs", 1, "--rates", "0.9")
    done = cops(tmp_path, "launch", "quickstart", *words, "--trials", 3, "--plugin", "wide.py")
    assert done.returncode == 0, done.stdout + done.stderr
    found = records(tmp_path, "quickstart")
    assert [record["config"]["model"] for record in found] == ["timm/test_vit"] * 3
    assert all(record["status"] in ("finished", "stopped") for record in found)
