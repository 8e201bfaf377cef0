"""A home's database from its backup: only where there is none, and only a good one."""

from pathlib import Path

import alembic.command
import pytest
import sqlalchemy
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base

from cops_core.errors import InputError
from study.records.folder import Folder
from study.tracking.server.backup import Backup
from study.tracking.server.database import mark, owner
from study.tracking.server.restore import prepare, restore


@pytest.fixture
def folder(storage):
    return Folder(storage, "_mlflow")


@pytest.fixture
def empty(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


@pytest.mark.slow
def test_an_empty_home_gets_its_runs_back(home, storage, folder, empty, log_run, runs):
    log_run(home, "first")
    Backup(home, storage).push()
    # A transaction of a deleted database must not be rolled back into this one.
    (empty / "mlflow.db-journal").write_bytes(b"left behind")
    assert restore(empty, folder)
    assert runs(empty) == {"first"}
    assert owner(empty / "mlflow.db") == owner(home / "mlflow.db")
    log_run(empty, "second")
    assert Backup(empty, storage).push()
    assert [path.name for path in (empty / "server").iterdir()] == []


def test_an_existing_database_is_never_changed(home, storage, folder, log_run):
    Backup(home, storage).push()
    log_run(home, "after the backup")
    before = (home / "mlflow.db").read_bytes()
    assert not restore(home, folder)
    assert (home / "mlflow.db").read_bytes() == before


def test_a_database_never_replaces_the_backup_of_another(make_home, storage, folder, log_run):
    first, second = make_home("first"), make_home("second")
    log_run(first, "first")
    Backup(first, storage).push()
    good = folder.read("mlflow.db")
    with pytest.raises(InputError, match="of another database"):
        prepare(second, storage)
    assert folder.read("mlflow.db") == good


def test_a_damaged_database_says_that_there_is_a_backup(home, storage, folder):
    Backup(home, storage).push()
    good = folder.read("mlflow.db")
    (home / "mlflow.db").write_bytes(b"nonsense" * 9999)
    with pytest.raises(InputError, match=r"is damaged .*: move it away"):
        prepare(home, storage)
    assert folder.read("mlflow.db") == good
    assert (home / "mlflow.db").read_bytes() == b"nonsense" * 9999


def test_a_damaged_backup_is_not_restored(storage, folder, empty):
    folder.make()
    folder.write("mlflow.db", b"nonsense" * 9999)
    with pytest.raises(InputError, match="is damaged"):
        prepare(empty, storage)
    assert not (empty / "mlflow.db").exists()


def test_a_damaged_backup_is_replaced_by_a_good_database(home, storage, folder, log_run, rows):
    folder.make()
    folder.write("mlflow.db", b"nonsense" * 9999)
    log_run(home, "kept")
    assert not prepare(home, storage)
    assert rows(Path(storage) / "_mlflow" / "mlflow.db", "SELECT name FROM runs") == [("kept",)]


def test_a_storage_that_cannot_be_written_is_one_line(home, storage):
    Path(storage).write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be used") as refused:
        prepare(home, storage)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_backup_of_an_older_mlflow_is_upgraded(tmp_path, storage, folder, empty, rows):
    old = tmp_path / "old"
    old.mkdir()
    uri = f"sqlite:///{old / 'mlflow.db'}"
    engine = sqlalchemy.create_engine(uri)
    Base.metadata.create_all(engine)
    config = _get_alembic_config(uri)
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_revision("head")
    alembic.command.upgrade(config, newest.down_revision)
    engine.dispose()
    mark(old / "mlflow.db")
    assert rows(old / "mlflow.db", "SELECT version_num FROM alembic_version") == [(newest.down_revision,)]
    Backup(old, storage).push()
    assert restore(empty, folder)
    assert rows(empty / "mlflow.db", "SELECT version_num FROM alembic_version") == [(newest.revision,)]
    assert owner(empty / "mlflow.db") == owner(old / "mlflow.db")
