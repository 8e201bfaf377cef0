"""A study as pandas tables, from a real store."""

import io

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cops_core.config import TrialConfig
from study.records.frames import epochs, frame
from study.records.store import StudyStore
from study.records.tables import EPOCH_SCHEMA, SCHEMA, TRIALS_TABLE, trial_tables

from ..made_record import made_record


@pytest.fixture
def store(tmp_path, ended):
    found = StudyStore(str(tmp_path), "mine")
    found.write_record(made_record())
    found.save(ended(1, seed_index=1, identity="ab" * 32))
    found.save(ended(0, config=TrialConfig(seed=2**32 - 1), accuracies=(0.25,)))
    found.save(ended(2, "failed", (), reason="OSError: gone"))
    return found


def test_a_row_per_trial_in_order(store):
    table = frame(store)
    assert list(table.columns) == SCHEMA.names
    assert table["number"].tolist() == [0, 1, 2]
    assert table["status"].tolist() == ["finished", "finished", "failed"]
    assert table["seed"].tolist()[0] == 2**32 - 1
    assert table["trial"].tolist()[1] == "00001-" + "ab" * 8


def test_what_is_missing_leaves_the_types_alone(store):
    table = frame(store)
    assert isinstance(table["trained_parameters"].dtype, pd.Int64Dtype)
    assert isinstance(table["best_epoch"].dtype, pd.Int64Dtype)
    assert isinstance(table["disconnected"].dtype, pd.BooleanDtype)
    assert isinstance(table["reused_from"].dtype, pd.StringDtype)
    assert table["validation_accuracy"].dtype == np.float64
    assert table["best_epoch"].isna().tolist() == [False, False, True]
    assert table["validation_accuracy"].mean() == pytest.approx((0.25 + 0.9) / 2)


def test_large_integers_stay_exact(store, ended):
    trial = ended(3)
    trial.facts["parameters"] = 2**53 + 1
    store.save(trial)
    never_built = ended(4, "failed", ())
    never_built.facts = None
    store.save(never_built)
    assert frame(store)["parameters"].tolist()[3:] == [2**53 + 1, pd.NA]


def test_the_frame_is_the_parquet_table(store):
    table = frame(store)
    written = pq.read_table(io.BytesIO(trial_tables("mine", store.trials())[TRIALS_TABLE])).to_pandas()
    pd.testing.assert_frame_equal(table.astype(object).where(table.notna(), None), _objects(written))


def _objects(written):
    return written.astype(object).where(written.notna(), None)


def test_the_records_count_and_not_a_late_table(store, ended):
    store.write(TRIALS_TABLE, trial_tables("mine", store.trials())[TRIALS_TABLE])
    store.save(ended(3))
    assert frame(store)["number"].tolist() == [0, 1, 2, 3]


def test_a_row_per_trial_and_epoch(store):
    table = epochs(store)
    assert list(table.columns) == EPOCH_SCHEMA.names
    assert list(zip(table["number"], table["epoch"], table["validation_accuracy"], strict=True)) == [
        *((0, 1, 0.25), (1, 1, 0.5), (1, 2, 0.9))
    ]
    assert isinstance(table["epoch"].dtype, pd.Int64Dtype)


def test_further_metrics_of_an_epoch_are_ignored(tmp_path, ended):
    store = StudyStore(str(tmp_path), "probed")
    store.write_record(made_record())
    trial = ended()
    trial.rows[0]["gradient_norm/fc1.weight"] = 1.5
    store.save(trial)
    assert list(epochs(store).columns) == EPOCH_SCHEMA.names


def test_a_study_without_trials_is_an_empty_table_with_its_types(tmp_path):
    store = StudyStore(str(tmp_path), "empty")
    store.write_record(made_record())
    assert frame(store).empty
    assert list(frame(store).columns) == SCHEMA.names
    assert epochs(store)["validation_loss"].dtype == np.float64
