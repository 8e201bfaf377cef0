"""SIGKILL of the driver, a worker, a node, the MLflow server; a full disk; an unreadable database.

`uv run pytest tests/chaos -m slow --moments 20` tests twenty random moments each.
"""

import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing, suppress

import psutil
import pytest

pytestmark = pytest.mark.slow


def test_a_killed_driver(make_study, one_at_a_time, same, moment):
    """At any moment, also during the first imports and the last table; and again while it is resumed."""
    undisturbed, seconds = one_at_a_time
    study = make_study(undisturbed.words).start()
    time.sleep(moment * seconds)
    study.kill()
    study.resume()
    time.sleep((1 - moment) * seconds)
    study.kill()
    study.resume().end()
    same(study, undisturbed)


def test_a_killed_worker(make_study, one_at_a_time, same, moment):
    undisturbed, seconds = one_at_a_time
    study = make_study(undisturbed.words).start()
    study.wait(study.recorded)
    time.sleep(moment * seconds / 4)  # trials take about a third of the time, starting Ray the rest
    study.wait(lambda: killed(study.workers()))
    study.end()
    same(study, undisturbed)


def killed(processes):
    """Kill the first process that still exists; returns whether there was one."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            return True
    return False


def test_a_killed_node(make_study, two_at_a_time, same, moment):
    from ray.cluster_utils import Cluster

    undisturbed, seconds = two_at_a_time
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        study = make_study(undisturbed.words).start("--address", cluster.address)
        study.wait(study.recorded)
        time.sleep(moment * seconds / 4)
        cluster.remove_node(nodes[0], allow_graceful=False)
        study.end()
    finally:
        cluster.shutdown()
    same(study, undisturbed)


def test_a_killed_mlflow_server(make_study, one_at_a_time, same, server, moment):
    undisturbed, seconds = one_at_a_time
    study = make_study(undisturbed.words).start("--tracking-uri", server.uri)
    study.wait(study.recorded)
    time.sleep(moment * seconds / 4)
    server.kill()
    time.sleep(3)
    server.start()
    study.end()
    same(study, undisturbed, server.uri)


@pytest.fixture
def small_disk(tmp_path):
    """A small file system that is soon full."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk(make_study, one_at_a_time, same, small_disk, moment):
    """The disk has space again while the study runs, or only after it has ended.

    No result is lost. A network that could not be written is lost, but its trial can be replayed.
    """
    freed = "while it runs" if is_even(moment) else "after it has ended"
    undisturbed, seconds = one_at_a_time
    study = make_study(undisturbed.words, small_disk).start()
    study.wait(study.recorded)
    time.sleep(moment * seconds / 4)
    filler = small_disk / "filler"
    fill(filler)
    if freed == "while it runs":
        time.sleep(2)
        filler.unlink()
        study.end()
    else:
        output, _ = study.process.communicate(timeout=240)
        assert "Traceback" not in output
        filler.unlink()
        if study.process.returncode:
            assert "some results could not be written" in output or "MLflow did not receive" in output
            study.resume().end()
    same(study, undisturbed, networks=False)


def is_even(moment):
    return int(1000 * moment) % 2 == 0


def fill(path):
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def test_an_unreadable_database(make_study, one_at_a_time, same, moment):
    """Training continues without MLflow, which is updated when there is a database again.

    The database is a backup, or a new one.
    """
    then = "restored" if is_even(moment) else "lost"
    undisturbed, seconds = one_at_a_time
    study = make_study(undisturbed.words).start()
    study.wait(study.recorded)
    time.sleep(moment * seconds / 4)
    database, copy = study.home / "mlflow.db", study.folder / "copy.db"
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    with database.open("r+b") as file:
        file.write(os.urandom(1 << 16))
    study.process.wait(300)
    output = study.process.stdout.read()
    assert "Traceback" not in output
    for path in study.home.glob("mlflow.db*"):
        if path.suffix != ".lock":
            path.unlink()
    if then == "restored":
        shutil.copy(copy, database)
    study.resume().end()
    same(study, undisturbed)
