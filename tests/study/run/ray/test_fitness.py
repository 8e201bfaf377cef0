"""The check of a node before the first trial: real folders, real code; each difference is a line."""

import shutil
from pathlib import Path

import pytest

from cops_core.data import load_data
from cops_core.errors import InputError
from cops_core.plugins import find_plugins
from study.provenance import PACKAGES, code_sha256, versions
from study.run.ray.fitness.before_study import NodeRequirements, examine
from study.run.ray.fitness.checks import CLOCK_S, clock_problems
from study.run.ray.fitness.storage import Token

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def token(tmp_path):
    with Token(str(tmp_path / "shared")) as token:
        yield token


@pytest.fixture
def required(tmp_path, token):
    def make(**changes):
        fields = {"storage": str(tmp_path / "shared"), "token": token.name}
        fields |= {"score_cache": str(tmp_path / "scores"), "data_sha256": digits().sha256}
        return NodeRequirements(**{**fields, **changes})

    return make


def digits():
    return load_data("digits", Path())


def problems(required, gpus=0, data=digits):
    return list(examine(required, "here", gpus, data).problems)


def test_the_drivers_own_machine_is_fit(required):
    answer = examine(required(), "here", 0, digits)
    assert (answer.host, answer.problems, answer.gpus) == ("here", (), ())


def test_nothing_is_left_in_the_storage(required, tmp_path):
    with Token(str(tmp_path / "shared")) as token:
        assert problems(required(token=token.name)) == []
        assert len([path for path in (tmp_path / "shared/_check").iterdir() if token.name in path.name]) == 2
    assert not [path for path in (tmp_path / "shared/_check").iterdir() if token.name in path.name]


def test_another_storage_than_the_drivers(required, tmp_path):
    (wrong,) = problems(required(storage=str(tmp_path / "mine")))
    assert wrong.startswith("it does not see the driver's file in ")
    assert wrong.endswith("choose a --storage that all nodes share")


def test_a_storage_that_cannot_be_written(required, tmp_path, monkeypatch):
    from study.records.folder import Folder

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Folder, "write", refuse)
    assert "cannot be used there (Permission denied)" in problems(required())[0]
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\): choose another"):
        Token(str(tmp_path / "other")).__enter__()


def test_other_code_and_other_versions(required):
    wrong = problems(required(code_sha256="0f" * 32, versions={**versions(), "torch": "1.0"}))
    assert [line.partition(":")[0] for line in wrong] == [
        f"its code differs ({code_sha256()[:12]}, the driver's 0f0f0f0f0f0f)",
        f"its torch is {versions()['torch']}, the driver's 1.0",
    ]


def test_the_hash_of_the_code_sees_every_file_and_every_change(tmp_path, monkeypatch):
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr("study.provenance.__file__", str(tmp_path / "study" / "provenance.py"))
    assert code_sha256.__wrapped__() == code_sha256()
    changed = tmp_path / "cops_core" / "scores" / "snip.py"
    changed.write_text(changed.read_text() + "\n")
    one = code_sha256.__wrapped__()
    changed.rename(changed.with_name("snap.py"))
    assert len({code_sha256(), one, code_sha256.__wrapped__()}) == 3


def test_a_score_cache_that_cannot_be_written(required, tmp_path):
    (tmp_path / "scores").write_text("a file")
    (wrong,) = problems(required())
    assert "choose another with --score-cache" in wrong


def test_data_that_arrives_as_other_data_or_not_at_all(required):
    assert "the data set was altered" in problems(required(data_sha256="00" * 32))[0]

    def lost():
        raise RuntimeError("object lost")

    assert "the data set did not arrive there (object lost)" in problems(required(), data=lost)[0]


def test_declared_gpus_that_torch_cannot_use(required, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda index: f"GPU {index}")
    assert problems(required(), gpus=1) == []
    assert "Ray has 2 GPUs there, and torch can use 1" in problems(required(), gpus=2)[0]
    assert examine(required(), "here", 1).gpus == ("GPU 0",)


def test_a_plugin_that_is_missing(required, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("import a_module_that_does_not_exist\n")
    plugins = find_plugins([str(path)])
    assert "a plugin cannot be loaded there" in problems(required(plugins=plugins))[0]


@pytest.mark.parametrize(
    ("clock", "problems"),
    [
        (100, []),
        (100 - CLOCK_S, []),
        (100 + CLOCK_S, []),
        (90, ["its clock differs from the driver's by -10 s: set both by NTP"]),
        (200, ["its clock differs from the driver's by +100 s: set both by NTP"]),
    ],
)
def test_a_clock_is_compared_with_the_drivers(clock, problems):
    assert list(clock_problems(clock, 100)) == problems
