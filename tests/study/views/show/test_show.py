"""`cops show`: one real trial in full, by its number or by its MLflow run."""

import hashlib
import json

import pytest
import torch

from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.identity import trial_identity
from cops_core.trial import Trial
from study.records.evaluations import EVALUATIONS
from study.records.runs import write_runs
from study.records.store import StudyStore
from study.records.trial import StudyTrial
from study.tracking import MlflowView

from ...made_facts import made_facts
from ...made_record import made_record

CONFIG = TrialConfig(
    validation_fraction="0.2",
    arm="freeze",
    selection=Selection(
        target="snip", controls=(Control(score="magnitude", level=0.3),), samples_per_class=2
    ),
    density="0.05",
    seed=11,
    training=Training(epochs=20, learning_rate=0.1),
)
SETTINGS = {
    "name": "mine",
    "space": "quickstart",
    "trials": 1,
    "seeds": 1,
    "question": {"kind": "rates", "rates": ["0.95"]},
}
VERSIONS = {"python": "3.11", "torch": "2.13.0"}


@pytest.fixture(scope="session")
def trained():
    """A trial that ran: the record of a study's third trial, and its network."""
    trial = Trial(CONFIG)
    record = StudyTrial(
        number=3, config=CONFIG, configuration=2, seed_index=1, node="10.0.0.1", started=2000.5
    )
    while not trial.done:
        record.add_row(trial.step().row())
    content = trial.artifact()
    record.identity = trial_identity(CONFIG, trial.facts["data_sha256"])
    file = f"artifacts/{record.name}.safetensors"
    artifact = {"file": file, "sha256": hashlib.sha256(content).hexdigest()}
    record.status, record.ended = trial.status, 2004.0
    record.facts = made_facts(**trial.facts, artifact=artifact)
    return record, content


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def store(home, trained):
    """A study in which that trial was run."""
    record, content = trained
    made = StudyStore(str(home / "studies"), "mine")
    launches = [
        {"at": f"1970-01-01T00:{minutes:02}:00+00:00", "git_commit": commit, "versions": VERSIONS}
        for minutes, commit in ((10, "first"), (30, "second"), (40, "third"))
    ]
    made.write_record(made_record(SETTINGS, study_id="a1", launches=launches))
    made.save(record)
    made.write(record.facts["artifact"]["file"], content)
    return made


@pytest.fixture
def show(run, home):
    def words(*arguments):
        return run("show", *arguments, "--home", home)

    return words


def lines(out):
    return [line.split() for line in out.splitlines()]


@pytest.mark.usefixtures("store")
def test_a_trial_is_shown_in_full_in_eighty_columns(show, trained, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    record, _ = trained
    code, out, err = show("mine/3")
    assert (code, err) == (0, "")
    above, _, commands = out.partition("unpack its network:")
    assert max(map(len, above.splitlines())) <= 80
    shown = lines(out)
    assert shown[0] == ["freeze", "cops(snip;", "magnitude", "0.3)", "q=0.95"]
    for line in (
        ["trial", f"mine/{record.name}"],
        ["status", "finished"],
        ["seed", "11,", "index", "1"],
        ["identity", record.identity],
        ["selection.controls", "magnitude", "0.3"],
        ["commit", "second"],
        ["mask", record.facts["mask_sha256"]],
        ["started", "1970-01-01", "00:33:20+00:00,", "3.5", "s"],
    ):
        assert line in shown
    solution = record.facts["manifest"]["solutions"]["global"]
    numbers = [f"{solution[name][0]:.4g}" for name in ("levels", "controls", "slacks", "multipliers")]
    assert ["global", "magnitude", *numbers] in shown
    assert [
        "global",
        solution["status"],
        *(f"{solution[n]:.4g}" for n in ("value", "gap", "threshold", "shrunk")),
    ] in shown
    live = record.facts["connectivity"]["live_weights"]
    assert [line[2] for line in shown if line[:1] == ["fc2.weight"]] == [f"{live['fc2.weight']:,}"]
    assert "cops unpack home/studies/mine/artifacts/" in commands
    assert "replay" not in out  # it has no MLflow run


def test_of_a_mask_that_changes_both_are_shown(show, store, trained):
    record = StudyTrial.from_record(json.loads(json.dumps(trained[0].record())))
    connected = record.facts["connectivity"]
    live = dict.fromkeys(connected["live_weights"], 17)
    record.facts |= {
        "final_mask_sha256": "7" * 64,
        "grown_weights": 1234,
        "final_connectivity": {**connected, "live": 99, "live_weights": live},
    }
    store.save(record)
    out = show("mine/3")[1]
    assert out.index("connectivity before the training") < out.index("connectivity after the training: 1,234")
    shown = lines(out)
    assert ["mask", record.facts["mask_sha256"]] in shown
    assert ["final", "mask", "7" * 64] in shown
    assert [line[2] for line in shown if line[:1] == ["fc2.weight"]] == ["17"]
    assert "live after training" in out


@pytest.mark.usefixtures("store")
def test_epochs_are_spread_with_the_best_and_the_last(show, trained):
    record, _ = trained
    best = max(record.rows, key=lambda row: row["validation_accuracy"])
    shown = [line for line in lines(show("mine/3")[1]) if len(line) == 6 and line[0].isdigit()]
    assert shown[0][0] == "1"
    assert shown[-1][0] == "20"
    assert len(shown) <= 12
    (marked,) = [line for line in shown if line[3].endswith("*")]
    assert marked[0] == str(int(best["epoch"]))
    assert marked[3] == f"{best['validation_accuracy']:.2%}*"


@pytest.mark.usefixtures("store")
def test_json_has_the_complete_record(show, trained):
    record, _ = trained
    content = json.loads(show(f"mine/{record.name}", "--json")[1])
    assert content["record"] == json.loads(json.dumps(record.record()))
    assert content["git_commit"] == "second"
    assert content["versions"] == VERSIONS
    assert content["not_default"]["training.learning_rate"] == 0.1
    assert "training.momentum" not in content["not_default"]
    assert content["test_accuracy"] is None


def test_the_line_of_python_loads_the_network(show, store, tmp_path, monkeypatch):
    line = json.loads(show("mine/3", "--json")[1])["commands"]["load it in Python"]
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(line, names)
    assert names["network"].predict(torch.zeros((2, 1, 8, 8), dtype=torch.uint8)).shape == (2,)
    assert line in show("mine/3")[1].splitlines()
    store.delete(next(iter(trial.facts["artifact"]["file"] for trial in store.trials())))
    code, out, _ = show("mine/3")
    assert code == 0
    assert "does not exist" in " ".join(out.split())
    assert "cops unpack" not in out


def test_the_test_accuracy_is_shown(show, store, trained):
    store.write_json(
        EVALUATIONS, [{"evaluation": 1, "results": [{"trial": trained[0].name, "test_accuracy": 0.8765}]}]
    )
    assert ["test", "accuracy", "87.65%"] in lines(show("mine/3")[1])


def test_a_failure_is_shown_with_its_log(show, store):
    log = "Traceback [bold]:\n  line 1\nRuntimeError: no"
    store.save(StudyTrial(number=4, config=CONFIG, identity="f" * 64, status="failed", reason="no", log=log))
    code, out, _ = show("mine/4")
    assert code == 0
    assert ["status", "failed:", "no"] in lines(out)
    assert log in out
    assert "none (none was written)" in out


def test_an_mlflow_run_leads_to_its_trial(show, store, home):
    uri = f"sqlite:///{home / 'mlflow.db'}"
    view = MlflowView(uri, home, "mine", {**SETTINGS, "study_id": "a1"}, (), store.read)
    view.resume(store.trials())
    assert view.close(True, {}, 60) == []
    run_id = json.loads(show("mine/3", "--json")[1])["run_id"]
    content = json.loads(show(run_id, "--json")[1])
    assert content["trial"] == store.trials()[0].name
    assert content["commands"]["run it again"] == f"cops replay {run_id} --home {home}"
    assert show(run_id)[0] == 0
    write_runs(StudyStore(str(home / "studies"), "mine"), {"3-": run_id, "4-": f"{run_id[:12]}{20 * '0'}"})
    assert json.loads(show(run_id[:13], "--json")[1])["run_id"] == run_id
    code, _, err = show(run_id[:8])
    assert code == 2
    assert f"2 runs start with '{run_id[:8]}'" in err
    parent = view._parent.run_id
    code, out, err = show(parent)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "the study 'mine', not of a trial: write cops show mine/NUMBER" in err
    code, _, err = show("0" * 32)
    assert (code, err.count("\n")) == (2, 1)
    assert f"no run {'0' * 32} in MLflow" in err


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("mine", "'mine' is not a trial: write STUDY/NUMBER"),
        ("mine/x", "'mine/x' is not a trial"),
        ("mime/3", "unknown study 'mime': did you mean 'mine'?"),
        ("mine/7", "study 'mine' has no trial 7: it has trials 3 to 3"),
        ("mine/3-0000", "not 3-0000"),
        ("0" * 32, "no mlflow.db in"),
    ],
)
def test_wrong_input_is_one_line(show, word, complaint):
    code, out, err = show(word)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
