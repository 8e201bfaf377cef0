"""Stopping a study from another terminal: only the requested driver ends."""

import io
import os
import signal
import threading
import time

import pytest
from rich.console import Console

from cops_core.errors import InputError
from study.records.lease import STOP, Lease, driver
from study.records.store import StudyStore
from study.run import stop as stop_module
from study.run.stop import StopWatch, request_stop, stop_requested

from ..made_record import made_record


@pytest.fixture
def store(tmp_path):
    return StudyStore(str(tmp_path), "mine")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=80)


def obey(pipe, store):
    """A driver that ends after a request, and reports that."""
    with Lease(store) as lease:
        pipe.send(lease.token)
        while not stop_requested(store, lease.token):
            time.sleep(0.02)
        pipe.send("ended")


def ignore(pipe, store):
    """A driver that ignores requests."""
    with Lease(store) as lease:
        pipe.send(lease.token)
        pipe.recv()


def test_a_running_study_ends_and_leaves_no_request_behind(store, console, process):
    child, pipe = process(obey, store)
    pipe.recv()
    assert request_stop(store, console, timeout_s=10)
    assert pipe.recv() == "ended"
    child.join(10)
    assert child.exitcode == 0
    assert driver(store) is None
    assert not store.has(STOP)
    said = console.file.getvalue()
    assert f"asked process {child.pid} on " in said
    assert "study mine has ended" in said


def test_a_driver_that_does_not_end_in_time_is_reported(store, console, process):
    child, pipe = process(ignore, store)
    token = pipe.recv()
    start = time.monotonic()
    assert not request_stop(store, console, timeout_s=0.3)
    assert 0.3 < time.monotonic() - start < 5
    said = " ".join(console.file.getvalue().split())
    assert "mine has not ended within 0 s" in said
    assert f"kill process {child.pid} on " in said
    assert "`cops resume mine`" in said
    assert "study mine has ended" not in said
    assert stop_requested(store, token)  # the request is kept


def test_a_driver_that_is_killed_instead_leaves_no_request_to_the_next(store, console, process):
    child, pipe = process(ignore, store)
    token = pipe.recv()
    killer = threading.Timer(0.5, os.kill, (child.pid, signal.SIGKILL))
    killer.start()
    assert request_stop(store, console, timeout_s=10)
    killer.join()
    assert not stop_requested(store, token)
    assert not store.has(STOP)


def test_a_request_for_one_driver_never_stops_another(store, process):
    with Lease(store) as lease:
        store.write_json(STOP, {"token": "of an earlier one", "asked": 0.0})
        assert not stop_requested(store, lease.token)
        store.write_json(STOP, {"token": lease.token, "asked": 0.0})
        assert stop_requested(store, lease.token)
    assert not stop_requested(store, lease.token)


def test_a_check_is_one_call_and_survives_any_content(store, monkeypatch):
    store.make_folders()
    checks = []
    monkeypatch.setattr(store, "has", lambda name: checks.append(name))
    monkeypatch.setattr(store, "read", lambda name: pytest.fail("read what is not there"))
    assert not stop_requested(store, "token")
    assert checks == [STOP]
    monkeypatch.undo()
    for content in (b"", b"[]", b'{"token": nonsense', b"\xff"):
        store.write(STOP, content)
        assert not stop_requested(store, "token")


def test_the_driver_checks_from_time_to_time_and_ends_with_a_reason(store, monkeypatch):
    reasons = []
    with Lease(store) as lease:
        watch = StopWatch(store, lease, reasons.append)
        store.write_json(STOP, {"token": lease.token, "asked": 0.0})
        watch.tick()
        assert reasons == []  # it has checked just before
        monkeypatch.setattr(stop_module, "LOCAL_POLL_S", 0.0)
        watch.tick()
        assert reasons == ["it was stopped by cops stop mine"]
        store.delete(STOP)
        watch.tick()
        assert len(reasons) == 1
        monkeypatch.setattr(Lease, "lost", True)
        watch.tick()
        assert reasons[1:] == ["another process has taken it over"]


def test_without_the_storage_there_is_no_request(store, monkeypatch):
    def broken(name):
        raise OSError("no network")

    monkeypatch.setattr(store, "has", broken)
    assert not stop_requested(store, "token")


def test_a_study_that_is_not_running_cannot_be_stopped(store, console):
    with pytest.raises(InputError, match=r"no studies in .*: launch one"):
        request_stop(store, console, timeout_s=1)
    store.write_record(made_record())
    with pytest.raises(InputError, match=r"'mine' is not running.*`cops status mine`"):
        request_stop(store, console, timeout_s=1)
    assert not store.has(STOP)
