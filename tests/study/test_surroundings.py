"""Unusual places and terminals: paths with signs of URIs, an ASCII stdout, a long TMPDIR."""

import io
import sqlite3
from shlex import quote

import pytest
import ray

from cops_core.errors import InputError
from study.console import replace_unknown_characters
from study.places import sqlite_path, sqlite_uri, tracking, whole_uri
from study.run.ray.cluster import Cluster
from study.run.summary import _counts
from study.tracking.connect import EXPERIMENT, check_store, connect, experiment_id
from study.tracking.content import NAME_LENGTH, accepted_name

HOMES = ["h?x", "q%20y", "r%20z", "a b", "e#f", "ä&=", "50%", "what?"]


@pytest.mark.parametrize("name", HOMES)
def test_a_path_comes_back_from_its_uri(tmp_path, name):
    path = tmp_path / name / "mlflow.db"
    assert tracking(tmp_path / name, None) == sqlite_uri(path)
    assert sqlite_path(sqlite_uri(path)) == path
    assert whole_uri(sqlite_uri(path)) == sqlite_uri(path)


def test_a_relative_database_keeps_its_query(tmp_path, monkeypatch):
    folder = tmp_path / "50%"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert whole_uri("sqlite:///own.db?timeout=5") == f"{sqlite_uri(folder / 'own.db')}?timeout=5"
    assert whole_uri("http://server?x=1") == "http://server?x=1"


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database of MLflow in a home whose name has signs of URIs, and the experiment's id."""
    home = tmp_path_factory.mktemp("home") / "q%20y?"
    uri = tracking(home, None)
    client = connect(uri)
    return home, uri, client, experiment_id(client, uri, home)


def test_mlflow_writes_into_the_home(database):
    home, _, _, _ = database
    # MLflow itself makes an empty folder of the encoded name.
    assert list(home.parent.rglob("*.db")) == [home / "mlflow.db"]
    assert (home / "mlflow.db").stat().st_size > 0


def test_a_database_of_another_version_is_told_the_command_that_upgrades_it(database):
    home, uri, _, _ = database
    with sqlite3.connect(home / "mlflow.db") as connection:
        (version,) = connection.execute("select version_num from alembic_version").fetchone()
        connection.execute("update alembic_version set version_num = '451aebb31d03'")
    try:
        with pytest.raises(InputError) as error:
            check_store(f"{uri}?")  # MLflow keeps a store for each URI
        assert f"`mlflow db upgrade '{uri}?'`" in str(error.value)
        assert "\n" not in str(error.value)
    finally:
        with sqlite3.connect(home / "mlflow.db") as connection:
            connection.execute("update alembic_version set version_num = ?", (version,))


def test_a_deleted_experiment_is_told_a_whole_command(database):
    _, uri, client, experiment = database
    client.delete_experiment(experiment)
    with pytest.raises(InputError) as error:
        check_store(uri)
    assert f"`MLFLOW_TRACKING_URI={quote(uri)} mlflow experiments restore -x {experiment}`" in str(
        error.value
    )
    assert EXPERIMENT in str(error.value)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("validation_accuracy", "validation_accuracy"),
        ("gradient_norm.stage 1.conv-2", "gradient_norm.stage 1.conv-2"),
        ("gradient_norm.a/b:c", "gradient_norm.a/b:c"),
    ],
)
def test_metrics_keep_names_that_mlflow_accepts(name, sent):
    assert accepted_name(name) == sent


@pytest.mark.parametrize("layer", ["conv(3x3)+bias", "conv(3x3)-bias", "a//b", "../up", "größe", "x" * 400])
def test_names_of_layers_become_names_that_mlflow_accepts(database, layer):
    _, _, client, _ = database
    run = client.create_run("0").info.run_id
    name = accepted_name(f"gradient_norm.{layer}")
    client.log_metric(run, name, 1.0)
    assert client.get_run(run).data.metrics == {name: 1.0}
    assert len(name) <= NAME_LENGTH


def test_similar_layers_have_different_metrics():
    assert len({accepted_name(f"gradient_norm.{name}") for name in ("a+b", "a*b", "a(b", "a_b")}) == 4


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_replaced(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    replace_unknown_characters(stream)
    stream.write("0.5 ± 0.1 … 名 é\n")
    stream.flush()
    expected = {"ascii": "0.5 +- 0.1 ... ? ?\n", "latin-1": "0.5 ± 0.1 ... ? é\n"}
    assert raw.getvalue().decode(encoding) == expected.get(encoding, "0.5 ± 0.1 … 名 é\n")


def test_a_long_temporary_folder_is_named(monkeypatch):
    def init(**_):
        raise OSError("AF_UNIX path length cannot exceed 107 bytes: '/tmp/xxx/ray/sockets/plasma_store'")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(InputError, match=r"TMPDIR.* write RAY_TMPDIR=/tmp") as error:
        Cluster(None).__enter__()
    assert "--address" not in str(error.value)


def test_repetitions_are_not_said_to_come_from_other_studies(ended):
    trials = [ended(0), ended(1, reused_from="mine/00000-ab"), ended(2, reused_from="other/00001-cd")]
    assert _counts(trials[:1], "mine") == "1 finished"
    assert _counts(trials[:2], "mine") == "2 finished (1 repeated within the study)"
    assert _counts(trials, "mine") == "3 finished (1 reused from other studies, 1 repeated within the study)"
