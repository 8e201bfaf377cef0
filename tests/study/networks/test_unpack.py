"""`cops unpack`: the network of a file or a run as a plain state_dict; wrong input is one line."""

import json
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from safetensors import safe_open
from safetensors.torch import load_file

from cops_core.artifact import ArtifactHeader, load_artifact, save_artifact
from cops_core.construction import construct
from cops_core.freeze_net import FROZEN, FreezeNet
from cops_core.initialization import initialize
from cops_core.mask import Mask
from cops_core.models import MODELS, build_model
from cops_core.plugins import find_plugins
from cops_core.prunable import maskable
from study.tracking import NETWORK_FILE, connect, experiment_id

SHAPE = (1, 8, 8)
PLUGIN = """
from torch import nn
def tiny(shape, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], classes))
MODELS = {"tiny_of_this_test": tiny}
"""


def write_artifact(path: Path, model: torch.nn.Module, name: str, extensions: dict[str, str]) -> FreezeNet:
    theta0 = initialize(model, 1)
    generator = torch.Generator().manual_seed(0)
    mask = Mask({n: torch.rand(w.shape, generator=generator) < 0.1 for n, w in maskable(model).items()})
    network = FreezeNet(model, mask, FROZEN)
    with torch.no_grad():
        for values in network.trained.values():
            values += 0.1
    header = ArtifactHeader(
        model=name,
        shape=SHAPE,
        classes=10,
        initialization="xavier_normal",
        seed=1,
        arm="freeze",
        density="0.1",
        mean=(1.5,),
        deviation=(2.5,),
        theta0_sha256=theta0,
        mask_sha256=mask.sha256(),
        data_sha256="0" * 64,
        extensions=extensions,
    )
    save_artifact(path, network, header)
    return network


@pytest.fixture
def artifact(tmp_path) -> tuple[Path, FreezeNet]:
    (tmp_path / "elsewhere").mkdir()
    path = tmp_path / "elsewhere" / "network.safetensors"
    return path, write_artifact(path, build_model("lenet_300_100", SHAPE, 10), "lenet_300_100", {})


@pytest.fixture
def logged(artifact, tmp_path) -> str:
    """The id of a run with the artefact, in the home's database."""
    home = tmp_path / "cops-home"
    home.mkdir()
    uri = f"sqlite:///{home / 'mlflow.db'}"
    client = connect(uri)
    run_id = client.create_run(experiment_id(client, uri, home)).info.run_id
    client.log_artifact(run_id, str(artifact[0]))
    assert artifact[0].name == NETWORK_FILE
    return run_id


def assert_same_network(file: Path, network: FreezeNet) -> None:
    model = build_model("lenet_300_100", SHAPE, 10)
    model.load_state_dict(load_file(file), strict=True)
    images = torch.randn((7, *SHAPE), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(images), network(images))


def test_a_file_becomes_a_plain_state_dict(run, artifact, tmp_path):
    path, network = artifact
    code, out, err = run("unpack", path)
    assert (code, err) == (0, "")
    file = tmp_path / "network.dense.safetensors"
    assert "lenet_300_100, 50,610 parameters: network.dense.safetensors" in out
    assert_same_network(file, network)
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["source"] == str(path)
    assert metadata["weights_sha256"] == load_artifact(path).contents.weights_sha256
    assert json.loads(metadata["header"])["mean"] == [1.5]
    assert not list(tmp_path.glob("*.tmp"))


def test_a_run_becomes_a_plain_state_dict(run, artifact, logged, tmp_path):
    code, _, err = run("unpack", logged, "--out", "mine.safetensors")
    assert (code, err) == (0, "")
    assert_same_network(tmp_path / "mine.safetensors", artifact[1])
    uri = f"sqlite:///{tmp_path / 'cops-home' / 'mlflow.db'}"
    code, _, _ = run("unpack", logged, "--tracking-uri", uri, "--home", tmp_path / "cops-home")
    assert code == 0
    assert_same_network(tmp_path / f"{logged}.dense.safetensors", artifact[1])


def test_wrong_input_is_one_line(run, artifact, logged, tmp_path):
    path, _ = artifact
    home = tmp_path / "cops-home"
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    empty = client.create_run(client.get_run(logged).info.experiment_id).info.run_id
    (tmp_path / "cut").write_bytes(path.read_bytes()[:-1])
    (tmp_path / "there").touch()
    wrong = {
        ("nosuch",): "nosuch is neither a file nor a run",
        (".",): "is neither a file nor a run",
        (tmp_path / "cut",): "cut is truncated, altered or not an artefact",
        (path, "--out", "there"): "there already exists: choose another file with --out",
        (path, "--out", "no/such/folder"): "no/such/folder cannot be written",
        ("0" * 32,): f"no run {'0' * 32}",
        ("0" * 32, "--home", "elsewhere"): "no mlflow.db in elsewhere",
        (empty,): f"run {empty} has no {NETWORK_FILE}",
        (logged, "--tracking-uri", "http://127.0.0.1:9"): "does not answer",
        (): "Missing argument",
    }
    for words, complaint in wrong.items():
        code, out, err = run("unpack", *words)
        assert (code, out, err.count("\n")) == (2, "", 1), (words, err)
        assert err.startswith("error: ")
        assert complaint in err
    assert not list(tmp_path.glob("*.dense.safetensors"))


def test_a_plugins_network_needs_the_same_plugin(run, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    [plugin] = find_plugins([str(tmp_path / "mine.py")], announced=False)
    names: dict[str, object] = {}
    exec(PLUGIN, names)
    write_artifact(
        tmp_path / "a",
        construct(lambda: names["tiny"](SHAPE, 10), SHAPE, 1),
        "tiny_of_this_test",
        {plugin.name: plugin.sha256},
    )
    try:
        code, _, err = run("unpack", "a")
        assert (code, err.count("\n")) == (2, 1)
        assert "needs the model 'tiny_of_this_test'" in err
        assert "mine (SHA-256" in err
        assert run("unpack", "a", "--plugin", "mine.py")[0] == 0
        assert set(load_file(tmp_path / "a.dense.safetensors")) == {"1.weight", "1.bias"}
        MODELS.pop("tiny_of_this_test")
        (tmp_path / "mine.py").write_text(PLUGIN + "\n# changed\n")
        code, _, err = run("unpack", "a", "--plugin", "mine.py", "--out", "b")
        assert (code, err.count("\n")) == (2, 1)
        assert "another version of the plugin 'mine'" in err
    finally:
        MODELS.pop("tiny_of_this_test", None)
