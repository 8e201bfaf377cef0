"""Each searched parameter as a typed column, of any space."""

import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from study.records.evaluations import EVALUATIONS
from study.records.frames import csv_tables, frame
from study.records.parameters import parameter_columns
from study.records.runs import read_runs, write_runs
from study.records.store import StudyStore
from study.records.tables import SCHEMA, TRIALS_TABLE, additions, trial_tables

from ..made_record import made_record

PROPOSED = (
    {"learning_rate": 0.1, "status": "odd", "combine": True, "width": 3, "level": 0.25},
    {"learning_rate": 1, "status": "even", "combine": False, "width": 4},
    {},  # a baseline outside of the space
    {"learning_rate": 0.2, "choice": None, "mixed": "a", "of lists": [1, 2], "huge": 2**70},
    {"learning_rate": 0.3, "choice": 0.5, "mixed": 1, "of lists": [3], "huge": 1},
)


@pytest.fixture
def store(tmp_path, ended):
    found = StudyStore(str(tmp_path), "mine")
    found.write_record(made_record())
    for number, parameters in enumerate(PROPOSED):
        found.save(ended(number, parameters=parameters))
    return found


def test_a_column_for_each_parameter_after_all_others(store):
    table = frame(store)
    assert list(table.columns[: len(SCHEMA)]) == SCHEMA.names
    assert list(table.columns[len(SCHEMA) :]) == [
        f"parameter.{name}"
        for name in (
            *("learning_rate", "status", "combine", "width", "level"),
            *("choice", "mixed", "of lists", "huge"),
        )
    ]


def test_columns_have_types_and_gaps_are_missing(store):
    table = frame(store)
    assert table["parameter.learning_rate"].dtype == np.float64
    assert table["parameter.learning_rate"].tolist()[:2] == [0.1, 1.0]
    assert table["parameter.level"].isna().tolist() == [False, True, True, True, True]
    assert isinstance(table["parameter.width"].dtype, pd.Int64Dtype)
    assert table["parameter.width"].tolist()[:3] == [3, 4, pd.NA]
    assert isinstance(table["parameter.combine"].dtype, pd.BooleanDtype)
    assert table["parameter.combine"].tolist()[:3] == [True, False, pd.NA]
    assert table["parameter.choice"].isna().tolist() == [True, True, True, True, False]
    assert table["parameter.mixed"].tolist()[3:] == ["a", "1"]
    assert table["parameter.of lists"].tolist()[3:] == ["[1, 2]", "[3]"]
    assert table["parameter.huge"].tolist()[3:] == [float(2**70), 1.0]


def test_a_parameter_may_have_the_name_of_another_column(store):
    """`status` and `learning_rate` are columns about every trial, whatever was searched."""
    table = frame(store)
    assert table["status"].tolist() == ["finished"] * len(PROPOSED)
    assert table["parameter.status"].tolist()[:2] == ["odd", "even"]
    assert table["learning_rate"].tolist() == [0.05] * len(PROPOSED)


def test_parquet_and_csv_have_the_same_columns(store):
    table = frame(store)
    content = trial_tables("mine", store.trials(), additions(store))[TRIALS_TABLE]
    written = pq.read_table(io.BytesIO(content)).to_pandas()
    pd.testing.assert_frame_equal(_objects(table), _objects(written))
    assert list(pd.read_csv(io.BytesIO(csv_tables(store)["trials.csv"])).columns) == list(table.columns)


def _objects(table):
    return table.astype(object).where(table.notna(), None)


def test_a_study_without_a_search_has_no_such_column(ended):
    assert parameter_columns([ended(0), ended(1)]) == {}
    assert parameter_columns([]) == {}


def test_test_accuracies_are_there_after_closing(store, ended):
    assert frame(store)["test_accuracy"].isna().all()
    names = [trial.name for trial in store.trials()]
    results = [{"trial": names[1], "test_accuracy": 0.75}]
    store.write_json(EVALUATIONS, [{"evaluation": 1, "results": results}])
    own = ended(9)
    own.facts["test_accuracy"] = 0.5  # evaluated at its end
    store.save(own)
    table = frame(store)
    assert table["test_accuracy"].dtype == np.float64
    assert table.set_index("number")["test_accuracy"].dropna().to_dict() == {1: 0.75, 9: 0.5}


def test_run_ids_are_there_once_they_are_known(store):
    assert frame(store)["run_id"].isna().all()
    first, second, *_ = (trial.name for trial in store.trials())
    write_runs(store, {first: "a" * 32})
    write_runs(store, {second: "b" * 32})
    assert read_runs(store) == {first: "a" * 32, second: "b" * 32}
    assert frame(store)["run_id"].tolist()[:3] == ["a" * 32, "b" * 32, pd.NA]
