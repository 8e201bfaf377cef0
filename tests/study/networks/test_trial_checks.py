"""Before its first trial a study checks what it is about to run; the same is not checked again."""

import io
import json

import pytest
from rich.console import Console

from cops_core.config import Selection, TrialConfig
from cops_core.contracts.base import Check, ContractError
from cops_core.contracts.trials import TrialChecks
from cops_core.errors import InputError
from cops_core.facts import DrawnWeights, UnusableScore
from cops_core.models import MODELS
from cops_core.plugins import Plugin
from study.networks import trial_checks
from study.records.store import StudyStore
from study.run.driver import announce
from study.run.prepare import prepare
from study.run.ray.allocation import Allocation
from study.run.record import write_study_record
from study.search.fixed_plan import FixedPlan

PLUGIN = """
import torch
from torch import nn

class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        return gradient

class FirstOrder(nn.Module):
    def __init__(self, shape, classes):
        super().__init__()
        self.layer = nn.Linear(shape[0] * shape[1] * shape[2], classes)

    def forward(self, images):
        return Once.apply(self.layer(images.flatten(1)))

class Coupled(FirstOrder):
    def forward(self, images):
        logits = self.layer(images.flatten(1))
        return logits - logits.mean(0)

MODELS = {"first_order": FirstOrder, "coupled": Coupled}
"""
SPACE = """
from cops_core.config import Selection, TrialConfig

def space(trial):
    \"\"\"A network of a plugin.\"\"\"
    score = trial.suggest_categorical("score", SCORES)
    return TrialConfig(model=MODEL, arm="freeze", selection=Selection(target=score))
"""


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a plugin and a space of one of its networks; the words of a launch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COPS_SCORE_CACHE", str(tmp_path / "scores"))

    def write(model, scores):
        (tmp_path / "mine.py").write_text(PLUGIN)
        text = SPACE.replace("MODEL", repr(model)).replace("SCORES", repr(scores))
        (tmp_path / "my_space.py").write_text(text)
        return ["launch", "my_space.py", "--plugin", "mine.py", "--trials", "9", "--epochs", "1"]

    yield write
    for name in ("first_order", "coupled"):
        MODELS.pop(name, None)


def test_what_does_not_work_is_refused_before_anything_is_written(run, written):
    code, out, err = run(*written("coupled", ["snip"]))
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("error: coupled on digits")
    assert "depend on the other images" in line


def test_a_space_is_checked_by_hand(run, written):
    written("coupled", ["snip"])
    code, out, err = run("check", "my_space.py", "--plugin", "mine.py")
    assert (code, err) == (1, "")
    assert "depend on the other images" in " ".join(out.split())
    written("first_order", ["snip", "grasp"])
    code, out, err = run("check", "my_space.py", "--plugin", "mine.py")
    assert (code, err) == (0, "")
    said = " ".join(out.split())
    assert "space my_space ok" in said
    assert "first_order on digits ok" in said
    assert "infeasible" in said
    assert "grasp" in said
    assert "xavier_normal draws the 640 weights of layer.weight" in said


def test_a_space_and_a_cluster_are_not_checked_at_once(run, written):
    written("coupled", ["snip"])
    code, _, err = run("check", "my_space.py", "--address", "auto")
    assert code == 2
    assert "--address" in err


def config(target, **fields):
    return TrialConfig(arm="freeze", selection=Selection(target=target), density="0.1", **fields)


UNUSABLE = UnusableScore(
    dataset="digits",
    model="lenet_300_100",
    precision="float32",
    score="grasp",
    convention="paper",
    reason="score 'grasp' needs a second derivative",
)


@pytest.fixture
def prepared(settings, tmp_path, monkeypatch):
    """Prepares a study of two configurations; `found` is what its check would find now."""

    def make(found=(), drawn=None):
        def check(use, images, extensions, say):
            return TrialChecks(unusable=list(found), drawn=drawn)

        monkeypatch.setattr(trial_checks, "check_network", check)
        given = settings(score_cache=tmp_path / "scores")
        store = StudyStore(given.storage_uri, given.name)
        plan = FixedPlan([config("snip"), config("grasp")])
        study = prepare(lambda recorded: plan, given, store, Console(quiet=True))
        return study, store

    return make


def test_a_score_that_cannot_be_computed_ends_its_trials_as_infeasible(prepared):
    study, _ = prepared([UNUSABLE])
    first, second = study.run.next_trial(), study.run.next_trial()
    assert (first.config, second) == (config("snip"), None)
    (infeasible,) = [trial for trial in study.run.trials if trial.has_ended]
    assert infeasible.config == config("grasp")
    assert infeasible.status == "infeasible"
    assert "second derivative" in infeasible.reason
    assert infeasible.rows == []


@pytest.mark.parametrize("recorded", [[], [UNUSABLE]])
def test_a_resumed_study_decides_as_its_record_says(prepared, recorded):
    study, store = prepared(recorded)
    write_study_record(study)
    assert store.record()["unusable_scores"] == recorded
    resumed, _ = prepared([] if recorded else [UNUSABLE])
    assert list(resumed.unusable) == recorded


def test_the_same_is_checked_once_and_other_plugins_or_scores_anew(tmp_path, monkeypatch):
    calls = []

    def check(use, images, extensions, say):
        calls.append(use.name)
        return TrialChecks(unusable=[UNUSABLE])

    monkeypatch.setattr(trial_checks, "check_network", check)
    monkeypatch.setattr(trial_checks, "load_plugins", lambda plugins: {})
    cache, quiet = tmp_path / "scores", Console(quiet=True)

    def checked(*configs, plugins=()):
        found = trial_checks.check_trials(configs, plugins, tmp_path, cache, quiet)
        found.keep()
        return found.unusable

    assert checked(config("snip")) == [UNUSABLE]
    assert checked(config("snip", seed=3)) == [UNUSABLE]
    assert len(calls) == 1
    checked(config("grasp"))
    checked(config("snip"), plugins=[Plugin("mine", "0" * 64)])
    assert len(calls) == 3
    for file in cache.rglob("*.json"):
        file.write_text("{")
    checked(config("snip"))
    assert len(calls) == 4


def test_a_plugins_data_and_scores_keep_their_contracts(tmp_path, monkeypatch):
    added = {"DATASETS": ("digits",), "SCORES": ("snip",)}
    monkeypatch.setattr(trial_checks, "load_plugins", lambda plugins: {"mine": added})
    monkeypatch.setattr(trial_checks, "DATA_CHECKS", [Check(no_data_set_is_right)])
    monkeypatch.setattr(trial_checks, "SCORE_CHECKS", [Check(no_score_is_right)])
    with pytest.raises(InputError) as refused:
        trial_checks.check_trials(
            [config("snip"), config("magnitude")], (), tmp_path, tmp_path / "s", Console(quiet=True)
        )
    data, score = str(refused.value).splitlines()
    assert "data set 'digits'" in data
    assert "a wrong label" in data
    assert "score 'snip'" in score
    assert "a wrong value" in score


def no_data_set_is_right(data):
    """No data set is right."""
    raise ContractError("a wrong label")


def no_score_is_right(score):
    """No score is right."""
    raise ContractError("a wrong value")


def test_each_unusable_score_is_one_line(prepared):
    study, _ = prepared([UNUSABLE])
    console = Console(file=io.StringIO(), width=200)
    announce(console, study, Allocation())
    checked, line, size = console.file.getvalue().splitlines()
    assert "lenet_300_100 on digits" in checked
    assert "second derivative" in line
    assert "infeasible" in line
    assert "2 trials" in size


DRAWN = DrawnWeights(
    dataset="digits",
    model="lenet_300_100",
    initialization="xavier_normal",
    weights=["layer.weight"],
    drawn=640,
    others=10,
)


def announced(study):
    console = Console(file=io.StringIO(), width=400)
    announce(console, study, Allocation())
    return console.file.getvalue()


@pytest.mark.parametrize("plugins", [True, False])
def test_what_is_drawn_of_a_plugins_network_is_said_once_and_recorded(prepared, monkeypatch, plugins):
    added = {"mine": {"MODELS": ("lenet_300_100",)}} if plugins else {}
    monkeypatch.setattr(trial_checks, "load_plugins", lambda _: added)
    study, store = prepared(drawn=DRAWN)
    for part in ("lenet_300_100 on digits", "640 weights of layer.weight", "10 other parameters"):
        assert (part in announced(study)) == plugins or part == "lenet_300_100 on digits"
    write_study_record(study)
    assert store.record().get("drawn_weights") == ([DRAWN] if plugins else None)
    study.checked.keep()

    resumed, _ = prepared()
    assert list(resumed.drawn) == ([DRAWN] if plugins else [])
    assert "640 weights" not in announced(resumed)
    write_study_record(resumed)
    assert store.record().get("drawn_weights") == ([DRAWN] if plugins else None)


def test_another_study_of_a_known_network_says_what_is_drawn_too(tmp_path, monkeypatch):
    calls = []

    def check(use, images, extensions, say):
        calls.append(use)
        return TrialChecks(drawn=DRAWN)

    monkeypatch.setattr(trial_checks, "check_network", check)
    monkeypatch.setattr(trial_checks, "load_plugins", lambda _: {"mine": {"MODELS": ("lenet_300_100",)}})
    for _ in range(2):
        found = trial_checks.check_trials(
            [config("snip")], (), tmp_path, tmp_path / "scores", Console(quiet=True)
        )
        found.keep()
        assert found.drawn == [DRAWN]
    assert len(calls) == 1


def test_failures_are_not_kept(tmp_path, monkeypatch):
    wrong = TrialChecks(failures=["one is wrong", "another is wrong"])
    monkeypatch.setattr(trial_checks, "check_network", lambda *_: wrong)
    for _ in range(2):
        with pytest.raises(InputError, match="one is wrong\nanother is wrong"):
            trial_checks.check_trials(
                [config("snip")], (), tmp_path, tmp_path / "scores", Console(quiet=True)
            )
    assert not (tmp_path / "scores").exists()


def test_what_is_kept_is_json(prepared, tmp_path):
    study, _ = prepared([UNUSABLE])
    assert not (tmp_path / "scores").exists()
    study.checked.keep()
    (file,) = (tmp_path / "scores" / trial_checks.FOLDER).iterdir()
    assert json.loads(file.read_text()) == {"unusable": [UNUSABLE], "drawn": None}
