"""`cops import`: an exported study is restored completely, and can be resumed."""

import json
import sqlite3
from decimal import Decimal

import pytest

from search_spaces import find_space
from search_spaces.question import Pareto, Rates
from study.records.evaluations import EVALUATIONS
from study.records.store import StudyStore
from study.records.study_record import StudyRecord
from study.search.histories import recalled
from study.settings import parse_settings

from ...declared import undeclared

RATES = Rates((Decimal("0.95"), Decimal("0.99")))
PLAN = {"question": RATES, "trials": 9, "seeds": 2, "stopping": "none", "name": "mine"}
ENDS = {3: "failed", 5: "stopped", 6: "diverged"}
QUESTIONS = {"rates": RATES, "pareto": Pareto(RATES.rates)}


def accuracy(trial):
    return float("nan") if ENDS.get(trial.number) == "diverged" else 0.3 + trial.number / 70


def end(trial):
    return ENDS.get(trial.number, "running" if trial.number > 16 else "finished")


def records(store):
    return {name: json.loads(store.read(f"trials/{name}")) for name in store.files("trials")}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_every_record_is_restored_and_the_study_continues(recorded, file, bring, new_home, question, sampler):
    plan = {**PLAN, "question": QUESTIONS[question], "sampler": sampler}
    ends = (lambda trial: "finished") if question == "pareto" else end
    store = recorded(accuracy, ends, **plan)
    code, out, err = bring(file())
    assert (code, err) == (0, "")
    assert f"mine: {len(store.trials())} trials restored" in out
    assert f"resume with: cops resume mine --home {new_home}" in out
    back = StudyStore(str(new_home / "studies"), "mine")
    assert records(back) == records(store)
    assert [trial.record() for trial in back.trials()] == [trial.record() for trial in store.trials()]
    before, after = store.record(), back.record()
    assert undeclared(after, StudyRecord) == []
    assert {key: after[key] for key in before if key != "settings"} == {
        key: value for key, value in before.items() if key != "settings"
    }
    differing = {key for key, value in after["settings"].items() if before["settings"][key] != value}
    assert differing == {"home", "data_root"}  # the tests' data folder does not exist here
    plans = [
        recalled(
            find_space("quickstart"),
            parse_settings({**one.record()["settings"], "trials": 12}),
            one.trials(),
        )
        for one in (store, back)
    ]
    for _ in range(3):
        ours, theirs = (plan.ask() for plan in plans)
        assert (ours.config, ours.parameters, ours.number) == (
            theirs.config,
            theirs.parameters,
            theirs.number,
        )


def test_tables_exist_and_missing_networks_are_reported(recorded, file, bring, new_home):
    store = recorded(**PLAN)
    for trial in store.trials()[:3]:
        name = f"artifacts/{trial.name}.safetensors"
        trial.facts["artifact"] = {"file": name, "sha256": "0" * 64}
        store.write(name, b"network")
        store.save(trial)
    store.write_json(EVALUATIONS, [{"evaluation": 1, "top": 1, "results": []}])
    path = file()
    out = bring(path)[1]
    assert "3 networks are missing" in out
    back = StudyStore(str(new_home / "studies"), "mine")
    assert back.files("artifacts") == []
    assert json.loads(back.read(EVALUATIONS)) == json.loads(store.read(EVALUATIONS))
    assert {"trials.parquet", "epochs.parquet"} <= set(back.files())


def test_it_may_have_another_name_but_not_that_of_a_study(recorded, file, bring, new_home):
    recorded(**PLAN)
    path = file()
    assert bring(path)[0] == 0
    before = sorted(str(found) for found in new_home.rglob("*"))
    code, out, err = bring(path)
    assert (code, out) == (2, "")
    assert "study 'mine' already exists: choose another --name" in err
    assert sorted(str(found) for found in new_home.rglob("*")) == before
    assert bring(f"sqlite:///{path}", "--name", "again")[0] == 0
    again = StudyStore(str(new_home / "studies"), "again")
    assert again.record()["settings"]["name"] == "again"
    assert again.record()["imported"]["from"] == f"sqlite:///{path}"


def test_the_file_is_read_and_not_touched(recorded, file, bring):
    recorded(**PLAN)
    path = file()
    before = path.read_bytes()
    path.chmod(0o400)
    assert bring(path)[0] == 0
    assert path.read_bytes() == before


def damage(path, statement):
    with sqlite3.connect(path) as database:
        database.execute(statement)


def rewrite(table, old, new):
    """Replaces text in all attributes of trials, or of studies."""
    return lambda path: damage(
        path, f"UPDATE {table}_user_attributes SET value_json = replace(value_json, '{old}', '{new}')"
    )


def garbage(path):
    path.write_bytes(b"SQLite format 3\0" + b"x" * 5000)


def cut(path):
    path.write_bytes(path.read_bytes()[:9000])


def other(path):
    path.unlink()
    damage(path, "CREATE TABLE mine (x)")


@pytest.mark.parametrize(
    ("ruin", "complaint"),
    [
        (garbage, "cannot be read as an Optuna study"),
        pytest.param(cut, "cannot be read as an Optuna study", marks=pytest.mark.slow),
        (other, "is not an Optuna study"),
        pytest.param(lambda path: path.write_bytes(b""), "is not an Optuna study", marks=pytest.mark.slow),
        (lambda path: path.write_text("x,y\n1,2\n" * 99), "cannot be read as an Optuna study (file is not"),
        (lambda path: path.unlink(), "is not a file"),
        (lambda path: damage(path, "UPDATE alembic_version SET version_num = 'v9'"), "of another version"),
        (
            lambda path: damage(
                path, "DELETE FROM trial_user_attributes WHERE trial_id = 3 AND key = 'records'"
            ),
            "13 of the 14 exported records",
        ),
        (
            rewrite("trial", '"identity": "', '"identity": "../'),
            "is damaged (the record of trial 0 has a wrong identity",
        ),
        (rewrite("study", '"version": 1', '"version": 9'), "was written by another version of cops"),
        (
            rewrite("study", '"files": {', '"files": {"../x.py": ""'),
            "a study has no file '../x.py'",
        ),
    ],
)
def test_a_damaged_file_is_one_line_and_leaves_nothing(recorded, file, bring, new_home, ruin, complaint):
    recorded(**PLAN)
    path = file()
    ruin(path)
    before = path.read_bytes() if path.exists() else None
    code, out, err = bring(path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err
    assert not (new_home / "studies" / "mine").exists()
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.slow
def test_an_imported_study_continues_as_if_it_had_never_been_moved(run, file, bring, new_home, tmp_path):
    plan = ["--rates", "0.95", "--epochs", "1", "--concurrency", "1"]
    old_home = tmp_path / "home"
    assert run("launch", "quickstart", "--name", "mine", "--trials", "4", *plan, "--home", old_home)[0] == 0
    assert bring(file())[0] == 0
    assert run("resume", "mine", "--trials", "6", "--home", new_home)[0] == 0
    old, new = (StudyStore(str(home / "studies"), "mine") for home in (old_home, new_home))
    recorded, trials = old.trials(), new.trials()
    assert [trial.record() for trial in trials[:4]] == [trial.record() for trial in recorded]
    assert [trial.status for trial in trials[4:]] == ["finished"] * 2
    settings = parse_settings({**old.record()["settings"], "trials": 6})
    assert recalled(find_space("quickstart"), settings, recorded).ask().config == trials[4].config
    assert len(new.files("artifacts")) == 2
    code, out, _ = run("show", "mine/0", "--home", new_home)
    assert code == 0
    assert "does not exist" in " ".join(out.split())
    assert "cops replay" in out  # all are in the new home's MLflow
