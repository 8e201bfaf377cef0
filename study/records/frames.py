"""A study as pandas tables, for notebooks. They are made from its records: the Parquet tables may be late."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from study.records.store import StudyStore
from study.records.tables import EPOCH_SCHEMA, additions, epoch_rows, trial_rows, trials_schema

# The columns of a table, each with the name of its type in Parquet.
Columns = dict[str, str]

# The pandas types of Parquet's types. They are the nullable ones: otherwise one missing integer would turn
# its whole column into floats.
DTYPES = {"string": "string", "int64": "Int64", "bool": "boolean", "double": "float64"}


def frame(store: StudyStore) -> pd.DataFrame:
    """One row per trial, by number.

    Args:
        store: The study.

    Returns:
        A table with the columns of `study.records.tables.SCHEMA`, and one for each searched parameter.

    Raises:
        InputError: A record cannot be read.
    """
    trials = store.trials()
    return make_frame(trial_rows(store.name, trials, additions(store)), _columns(trials_schema(trials)))


def epochs(store: StudyStore) -> pd.DataFrame:
    """One row per trial and epoch, in order.

    Args:
        store: The study.

    Returns:
        A table with the columns of `study.records.tables.EPOCH_SCHEMA`.

    Raises:
        InputError: A record cannot be read.
    """
    rows = [row for trial in store.trials() for row in epoch_rows(store.name, trial)]
    return make_frame(rows, _columns(EPOCH_SCHEMA))


def csv_tables(store: StudyStore) -> dict[str, bytes]:
    """Both tables as CSV files, by name. Floats have enough digits to be read back exactly."""
    tables = {"trials.csv": frame(store), "epochs.csv": epochs(store)}
    return {name: table.to_csv(index=False).encode() for name, table in tables.items()}


def _columns(schema: Any) -> Columns:
    return {field.name: str(field.type) for field in schema}


def make_frame(rows: Sequence[dict[str, Any]], columns: Columns) -> pd.DataFrame:
    """Rows as a pandas table.

    Args:
        rows: Values by column; None is a missing value.
        columns: The columns, each with the name of its type in Parquet.

    Returns:
        The table.
    """
    # As objects first: pandas would otherwise choose floats for integers of which one is missing.
    table = pd.DataFrame(rows, columns=list(columns), dtype=object)
    return table.astype({name: DTYPES[kind] for name, kind in columns.items()})
