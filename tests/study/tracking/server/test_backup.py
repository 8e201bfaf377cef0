"""The database's copies: of one moment, whole, and never worse than the one before."""

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from study.records.store import studies
from study.tracking.server.backup import Backup, keep
from study.tracking.server.processes import ServerSettings

COUNT = "SELECT (SELECT count(*) FROM ours), (SELECT count(*) FROM theirs)"
NAMES = "SELECT name FROM runs"


@pytest.fixture
def kept(storage):
    """Where the copy lies."""
    return Path(storage) / "_mlflow" / "mlflow.db"


def execute(home, *statements):
    with closing(sqlite3.connect(home / "mlflow.db", timeout=20)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def write_pairs(pipe, home):
    """Writes rows into two tables, the same in both, until it is killed."""
    with closing(sqlite3.connect(home / "mlflow.db", timeout=20)) as connection:
        for number in range(10**9):
            with connection:
                connection.execute("INSERT INTO ours VALUES (?, randomblob(2000))", (number,))
                connection.execute("INSERT INTO theirs VALUES (?, randomblob(2000))", (number,))
            pipe.send(number)
            time.sleep(0.005)


def test_a_copy_of_a_database_in_use_shows_one_moment(home, storage, kept, process, rows):
    execute(home, "CREATE TABLE ours (n, noise)", "CREATE TABLE theirs (n, noise)")
    backup = Backup(home, storage)
    _, pipe = process(write_pairs, home)
    before = -1
    for _ in range(15):
        while pipe.poll():
            pipe.recv()
        written = pipe.recv() + 1  # rows that were written before the copy started
        assert backup.push()
        ((ours, theirs),) = rows(kept, COUNT)
        assert ours == theirs >= written > before
        before = written
    assert before > 15


def test_a_copy_is_made_only_after_a_change(home, storage, kept, log_run, rows):
    backup = Backup(home, storage)
    assert backup.push()
    first = kept.stat()
    assert not backup.push()
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    log_run(home, "second")
    assert backup.push()
    assert rows(kept, NAMES) == [("second",)]
    assert not backup.push()


def test_a_damaged_database_never_replaces_a_good_copy(home, storage, kept, log_run, rows):
    log_run(home, "kept")
    backup = Backup(home, storage)
    backup.push()
    good = kept.read_bytes()
    with (home / "mlflow.db").open("r+b") as database:
        size = database.seek(0, 2)
        database.seek(size // 3)
        database.write(os.urandom(size // 3))
    with pytest.raises(sqlite3.Error):
        Backup(home, storage).push()
    assert not backup.push()  # the damage is not a commit
    assert kept.read_bytes() == good
    assert rows(kept, NAMES) == [("kept",)]


@pytest.mark.parametrize("case", ["gone", "empty", "new", "text", "served"])
def test_another_database_never_replaces_a_good_copy(case, home, storage, kept, new_database):
    backup = Backup(home, storage)
    backup.push()
    good = kept.read_bytes()
    database = home / "mlflow.db"
    database.unlink()
    elsewhere = bytearray(good)
    elsewhere[63] ^= 1  # the mark of another home
    contents = {
        "empty": b"",
        "served": bytes(elsewhere),
        "new": new_database.read_bytes(),
        "text": b"no database\n" * 999,
    }
    if case != "gone":
        database.write_bytes(contents[case])
    for again in (backup, Backup(home, storage)):
        with pytest.raises(sqlite3.Error):
            again.push()
    assert kept.read_bytes() == good
    assert database.exists() == (case != "gone")
    assert list((home / "server").iterdir()) == []


def test_an_unfinished_transaction_is_not_in_a_copy(home, storage, kept, process, rows):
    execute(home, "CREATE TABLE ours (n, noise)", "CREATE TABLE theirs (n, noise)")
    child, pipe = process(write_half, home)
    assert pipe.recv() == "written"
    child.kill()
    child.join()
    assert (home / "mlflow.db-journal").exists()
    Backup(home, storage).push()
    assert rows(kept, COUNT) == [(0, 0)]


def write_half(pipe, home):
    """Starts a transaction that is larger than SQLite's cache, and never ends it."""
    connection = sqlite3.connect(home / "mlflow.db")
    connection.execute("PRAGMA cache_size = 5")
    connection.executemany("INSERT INTO ours VALUES (?, randomblob(5000))", ((n,) for n in range(500)))
    pipe.send("written")
    time.sleep(600)


def test_a_storage_gets_the_copy_when_it_is_available_again(home, storage, kept, caplog, rows):
    Path(storage).mkdir()
    kept.parent.write_text("a file where the folder should be")
    backup, ending, log = Backup(home, storage), threading.Event(), logging.getLogger("backup")
    ending.set()
    assert not keep(backup, ending, log)
    assert "no backup" in caplog.text
    kept.parent.unlink()
    assert keep(backup, ending, log)
    assert rows(kept, NAMES) == []


def test_mlflows_folder_is_not_a_study(home, storage, kept):
    Backup(home, storage).push()
    assert kept.exists()
    assert list(studies(storage)) == []


def test_a_process_makes_a_last_copy_on_sigterm(home, storage, kept, log_run, rows):
    server = ServerSettings(home=home, storage=storage, port=1)
    environment = {**os.environ, **server.environment()}
    with subprocess.Popen([sys.executable, "-m", "study.tracking.server.backup"], env=environment) as child:
        try:
            deadline = time.monotonic() + 60
            while not kept.exists():
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            log_run(home, "last")
            assert rows(kept, NAMES) == []
        finally:
            child.send_signal(signal.SIGTERM)
            code = child.wait(60)
    assert code == 0
    assert rows(kept, NAMES) == [("last",)]
    assert [path.name for path in kept.parent.iterdir()] == ["mlflow.db"]
