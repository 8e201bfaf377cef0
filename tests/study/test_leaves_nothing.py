"""A command that is refused, however late, leaves everything as it was: `run` compares each time."""

import json
import socket

import pytest

from study.records.evaluations import EVALUATIONS
from study.tracking import connect, experiment_id

from .conftest import contents

SPACE = "from cops_core.config import TrialConfig\ndef space(trial):\n    return TrialConfig({})\n"
# None of these is on this machine, and none can be fetched.
DATA = ("--dataset", "imagenet64", "--model", "resnet18", "--data-root", "data")

NEW = [
    (["launch", "quickstart", "--tracking-uri", "http://127.0.0.1:9", "--storage", "a/b"], "does not answer"),
    (["launch", "quickstart", "--tracking-uri", "sqlite:////proc/none/x.db"], "does not answer"),
    (["launch", "elsewhere.py", "--data-root", "data", "--score-cache", "scores"], "could not be downloaded"),
    (["launch", "wrong.py"], "unknown arm 'prone'"),
    (["launch", "quickstart", "--home", "a_file/home"], "cannot be written"),
    (["launch", "quickstart", "--storage", "a_file"], "cannot be written"),
    (["experiment", "headline", *DATA, "--score-cache", "scores"], "imagenet"),
    (["experiment", "headline", "--tracking-uri", "http://127.0.0.1:9", "--dataset", "digits"], "not answer"),
    (["table", "freezenet_lenet_300_100_mnist", "--data-root", "data"], "could not be downloaded"),
    (["scores", *DATA, "--score-cache", "scores"], "imagenet"),
    (["scores", "--home", "a_file", "--score-cache", "scores"], "cannot be written"),
    (["check", "--address", "127.0.0.1:9", "--score-cache", "scores"], "no Ray cluster"),
    (["import", "none.db"], "none.db"),
    (["import", "a_file"], "a_file"),
    (["import", "a_file", "--space", "quickstart", "--name", "new"], "a_file"),
    (["serve", "--stop"], "no server"),
    (["serve", "--storage", "a_file"], "cannot be used"),
    (["spaces", "--plugin", "nosuch"], "nosuch"),
]
KNOWN = [
    (["launch", "quickstart", "--name", "mine", "--epochs", "9"], "already exists with other settings"),
    (["launch", "quickstart", "--name", "closed"], "is closed"),
    (["launch", "quickstart", "--name", "new"], "was deleted"),
    (["resume", "closed"], "is closed"),
    (["resume", "mine"], "trial 0 is not the recorded one"),
    (["stop", "mine"], "mine"),
    (["close", "mine"], "has not ended"),
    (["export", "mine", "--format", "xls"], "unknown format"),
    (["export", "mine", "--format", "csv", "--out", "a_file"], "a_file"),
    (["report", "mine", "--out", "a_file"], "a_file"),
    (["report", "none"], "unknown study"),
    (["compare", "mine", "none"], "unknown study"),
    (["show", "mine/99"], "99"),
    (["ablate", "mine/99"], "99"),
    (["ablate", "mine/0"], "is dense"),
    (["ablate", "mine/1", "--name", "closed"], "already exists with other settings"),
    (["ablate", "closed/1"], "is not the one that trial 1 used"),
    (["show", "0" * 32], "no run"),
    (["replay", "0" * 32], "no run"),
    (["unpack", "0" * 32], "no run"),
    (["import", "mine.db"], "mine"),
    (["import", "mine.db", "--space", "quickstart", "--name", "mine", "--study", "none"], "Optuna study"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory with a file, two spaces, and a network that is out of reach."""
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    (tmp_path / "a_file").write_text("of a user's\n")
    (tmp_path / "wrong.py").write_text(SPACE.format("arm='prone'"))
    (tmp_path / "elsewhere.py").write_text(SPACE.format("dataset='mnist'"))
    return tmp_path


@pytest.fixture
def known(folder, recorded, run):
    """The same with a home: an open study, a closed one, and a database that lost its experiment."""
    home = folder / "cops-home"
    recorded(end=lambda trial: "running" if trial.number == 20 else "finished", name="mine", home=home)
    recorded(name="closed", home=home).write(EVALUATIONS, json.dumps([{"evaluation": 1}]).encode())
    assert run("export", "mine", "--format", "optuna", "--out", "mine.db")[0] == 0
    uri = f"sqlite:///{home / 'mlflow.db'}"
    client = connect(uri)
    client.delete_experiment(experiment_id(client, uri, home))
    return folder


def is_refused(run, words, complaint):
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert complaint in err


def named(value):
    return None if isinstance(value, str) else " ".join(value)


@pytest.mark.parametrize(("words", "complaint"), NEW, ids=named)
def test_refused_without_a_home(run, folder, words, complaint):
    is_refused(run, words, complaint)
    assert {"cops-home", "scores", "data", "a"}.isdisjoint(path.name for path in folder.iterdir())


def test_refused_with_studies(run, known):
    for words, complaint in KNOWN:
        is_refused(run, words, complaint)


def test_a_port_that_is_in_use(run, folder):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        is_refused(run, ["serve", "--port", listener.getsockname()[1]], "cannot be used")


def test_what_is_written_is_noticed(tmp_path):
    (tmp_path / "file").write_text("a")
    before = contents(tmp_path)
    (tmp_path / "file").write_text("b")
    after = contents(tmp_path)
    assert after != before
    (tmp_path / "folder").mkdir()
    assert contents(tmp_path) != after
