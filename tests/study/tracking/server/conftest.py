"""Homes with a real database of MLflow's, and what was logged into it."""

import shutil
import sqlite3
from contextlib import closing

import pytest
from mlflow import MlflowClient

from study.tracking.connect import connect, experiment_id
from study.tracking.server.database import mark


@pytest.fixture(scope="session")
def new_database(tmp_path_factory):
    """An empty database: creating its tables takes MLflow seconds, a copy takes none."""
    folder = tmp_path_factory.mktemp("database")
    client = connect(f"sqlite:///{folder / 'mlflow.db'}")
    experiment_id(client, f"sqlite:///{folder / 'mlflow.db'}", folder)
    return folder / "mlflow.db"


@pytest.fixture
def make_home(tmp_path, new_database):
    """Makes a home with a database of its own, as `cops serve` marks it."""

    def make(name="home"):
        home = tmp_path / name
        home.mkdir()
        shutil.copy(new_database, home / "mlflow.db")
        mark(home / "mlflow.db")
        return home

    return make


@pytest.fixture
def home(make_home):
    return make_home()


@pytest.fixture
def storage(tmp_path):
    return str(tmp_path / "storage")


@pytest.fixture(scope="session")
def log_run():
    """Logs a run with one metric into a home's database, or to a server; returns its id."""

    def log(where, name):
        client = client_of(where)
        (experiment,) = client.search_experiments(filter_string="name = 'cops-study'")
        run = client.create_run(experiment.experiment_id, run_name=name)
        client.log_metric(run.info.run_id, "accuracy", 0.5)
        client.set_terminated(run.info.run_id)
        return run.info.run_id

    return log


@pytest.fixture(scope="session")
def runs():
    """The names of all runs in a home's database, or on a server."""

    def names(where):
        client = client_of(where)
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        return {run.info.run_name for run in client.search_runs(experiments)}

    return names


@pytest.fixture(scope="session")
def rows():
    """What SQLite itself answers, of a database that is whole."""

    def fetch(database, statement):
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return connection.execute(statement).fetchall()

    return fetch


def client_of(where):
    return MlflowClient(where if isinstance(where, str) else f"sqlite:///{where / 'mlflow.db'}")
