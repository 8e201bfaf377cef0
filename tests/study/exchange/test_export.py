"""`cops export`: tables with exactly the same numbers, and Optuna studies as the sampler received them."""

import json
import sqlite3
from decimal import Decimal

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

import study
from search_spaces.question import Pareto, Rates
from study.records.evaluations import EVALUATIONS
from study.search.histories import histories, recorded_space
from study.settings import parse_settings

RATES = Rates((Decimal("0.95"), Decimal("0.99")))
PLAN = {"question": RATES, "trials": 11, "seeds": 2, "stopping": "none", "racing": False, "name": "mine"}
ENDS = {14: "stopped", 16: "failed", 17: "failed", 19: "diverged", 20: "running"}


def accuracy(trial):
    return 1 / 3 + trial.number / 70


def end(trial):
    return ENDS.get(trial.number, "finished")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def export(run, home):
    def words(*arguments):
        return run("export", *arguments, "--home", home)

    return words


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_tables_have_the_same_numbers_to_the_last_bit(recorded, export, tmp_path, home, kind):
    recorded(accuracy, end, **PLAN)
    code, out, err = export("mine", "--format", kind, "--out", tmp_path / "tables")
    assert (code, err) == (0, "")
    assert "tables" in out
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == [
        f"epochs.{kind}",
        f"trials.{kind}",
    ]
    expected = study.load("mine", home=home)

    def read(name):
        path = tmp_path / "tables" / f"{name}.{kind}"
        return pd.read_parquet(path) if kind == "parquet" else pd.read_csv(path)

    trials = read("trials")
    assert list(trials.columns) == list(expected.columns)
    assert len(trials) == len(expected) == 22
    for column in ("validation_accuracy", "learning_rate", "density", "number", "stored_bytes", "seconds"):
        ours = expected[column].astype("float64")
        pd.testing.assert_series_equal(trials[column].astype("float64"), ours, check_exact=True)
    assert trials.method.tolist() == expected.method.tolist()
    epochs = read("epochs")
    assert epochs.validation_accuracy.iloc[1] == accuracy(study.load("mine", home=home).iloc[0])


@pytest.fixture
def storage(recorded, export, tmp_path):
    """The Optuna file of a study."""
    recorded(accuracy, end, **PLAN)
    assert export("mine", "--format", "optuna", "--out", tmp_path / "mine.db")[0] == 0
    return f"sqlite:///{tmp_path / 'mine.db'}"


def test_optuna_reads_a_study_for_each_history(storage, recorded):
    assert optuna.get_all_study_names(storage) == ["mine 0.95", "mine 0.99", "mine outside the space"]
    store = recorded(accuracy, end, **PLAN)
    settings = parse_settings(store.record()["settings"])
    expected = histories(recorded_space(settings), settings, store.trials())
    for rate, sampled in expected.items():
        loaded = optuna.load_study(study_name=f"mine {rate}", storage=storage)
        assert loaded.direction == sampled.direction
        for ours, theirs in zip(loaded.trials, sampled.trials, strict=True):
            assert (ours.state, ours.values) == (theirs.state, theirs.values)
            assert (ours.params, ours.distributions) == (theirs.params, theirs.distributions)
            assert ours.constraints == theirs.constraints
    states = {
        trial.user_attrs["configuration"]: trial.state
        for rate in ("0.95", "0.99")
        for trial in optuna.load_study(study_name=f"mine {rate}", storage=storage).trials
    }
    assert states == {
        **dict.fromkeys((1, 2, 3, 4, 5, 6, 9), TrialState.COMPLETE),
        7: TrialState.PRUNED,
        8: TrialState.FAIL,
        10: TrialState.RUNNING,
    }


def test_trials_have_their_accuracies_times_and_complete_records(storage, home):
    loaded = optuna.load_study(study_name="mine 0.95", storage=storage)
    first = loaded.trials[0]
    records = first.user_attrs["records"]
    for record in records:
        name = f"{record['number']:05d}-{record['identity'][:16]}.json"
        assert record == json.loads((home / "studies" / "mine" / "trials" / name).read_text())
    accuracies = [[row["validation_accuracy"] for row in record["rows"]] for record in records]
    mean = {epoch: sum(both) / 2 for epoch, both in enumerate(zip(*accuracies, strict=True), start=1)}
    assert first.intermediate_values == pytest.approx(mean)
    assert first.value == first.intermediate_values[2] == first.user_attrs["validation_accuracy"]
    assert first.datetime_start.timestamp() == min(record["started"] for record in records)
    assert first.datetime_complete.timestamp() == max(record["ended"] for record in records)
    assert (first.user_attrs["method"], first.user_attrs["rate"]) == ("prune snip", "0.95")


def test_configurations_outside_the_histories_have_no_parameters(storage):
    (dense,) = optuna.load_study(study_name="mine outside the space", storage=storage).trials
    assert (dense.params, dense.user_attrs["method"]) == ({}, "dense")
    assert dense.value == dense.user_attrs["validation_accuracy"]


def test_optuna_computes_importances_from_it(storage):
    loaded = optuna.load_study(study_name="mine 0.95", storage=storage)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    assert "learning_rate" in optuna.importance.get_param_importances(loaded, evaluator=evaluator)


def test_a_study_without_rates_has_one_history_of_its_values(recorded, export, tmp_path):
    recorded(accuracy, question=Pareto(RATES.rates, cost="bytes"), trials=8, name="free")
    assert export("free", "--format", "optuna", "--out", tmp_path / "free.db")[0] == 0
    loaded = optuna.load_study(study_name="free", storage=f"sqlite:///{tmp_path / 'free.db'}")
    assert [direction.name for direction in loaded.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert len(loaded.trials) == 7
    for trial in loaded.trials:
        assert trial.values == [trial.user_attrs["validation_accuracy"], trial.user_attrs["stored_bytes"]]
        assert trial.intermediate_values == {}
        assert "density" in trial.params


def test_nothing_is_overwritten_and_no_partial_file_is_left(recorded, export, tmp_path):
    store = recorded(accuracy, **PLAN)
    store.write_json(EVALUATIONS, [])
    (tmp_path / "there").write_text("mine")
    for kind in ("optuna", "csv", "parquet"):
        code, out, err = export("mine", "--format", kind, "--out", tmp_path / "there")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "already exists: choose another --out" in err
    assert (tmp_path / "there").read_text() == "mine"
    code, _, err = export("mine", "--format", "csv", "--out", tmp_path / "no" / "folder")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot be written (No such file or directory)" in err
    assert sorted(path.name for path in tmp_path.iterdir() if path.name not in ("data", "home")) == ["there"]


def test_the_file_is_in_the_working_directory_by_default(recorded, export, tmp_path):
    recorded(accuracy, **PLAN)
    for kind in ("optuna", "csv"):
        assert export("mine", "--format", kind)[0] == 0
    assert (tmp_path / "mine-csv" / "trials.csv").is_file()
    with sqlite3.connect(tmp_path / "mine.optuna.db") as database:
        assert database.execute("SELECT count(*) FROM trials").fetchone() == (11,)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["mime", "--format", "csv"], "unknown study 'mime': did you mean 'mine'?"),
        (["mine", "--format", "parkett"], "unknown format 'parkett': did you mean 'parquet'?"),
        (["mine"], "Missing option '--format'"),
    ],
)
def test_wrong_input_is_one_line(recorded, export, words, complaint):
    recorded(accuracy, **PLAN)
    code, out, err = export(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert complaint in err


def test_a_missing_space_and_an_experiment_are_refused(recorded, export):
    store = recorded(accuracy, **PLAN)
    record = store.record()
    for change, complaint in (
        ({"space": "/no/such/space.py"}, "the space of study 'mine' cannot be found"),
        ({"kind": "experiment", "space": "headline"}, "'mine' was run by cops experiment"),
    ):
        store.write_json("study.json", {**record, "settings": {**record["settings"], **change}})
        code, _, err = export("mine", "--format", "optuna")
        assert (code, err.count("\n")) == (2, 1)
        assert complaint in err
