"""One driver at a time: a second one is refused with the name of the first, a dead one does not block."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import time
from datetime import datetime, timedelta

import pytest

from cops_core.errors import InputError
from study.records.lease import DRIVER, STOP, Driver, Lease, Timing, driver, holder
from study.records.store import StudyStore

QUICK = Timing(renew_s=0.1, given_up_s=1.2, settle_s=0.3)
FORK = multiprocessing.get_context("fork")


class Remote(StudyStore):
    """A folder that is treated like an object store."""

    is_local = False


@pytest.fixture(params=[StudyStore, Remote], ids=["folder", "uri"])
def store(request, tmp_path):
    return request.param(tmp_path.as_uri(), "mine")


@pytest.fixture
def remote(tmp_path):
    return Remote(tmp_path.as_uri(), "mine")


def keep_lease(pipe, store, timing=QUICK):
    """Take the lease, send its token, keep it until a message arrives; or send the error."""
    try:
        with Lease(store, timing) as lease:
            pipe.send(lease.token)
            pipe.recv()
    except InputError as error:
        pipe.send(str(error))


def keep_lease_with_a_child(pipe, store):
    """Like Ray's driver, with processes that run longer than it does."""
    with Lease(store, QUICK):
        child = subprocess.Popen(["sleep", "60"])
        pipe.send(child.pid)
        pipe.recv()


def test_a_second_driver_is_refused_with_the_first_ones_name_until_that_has_ended(store, process):
    child, pipe = process(keep_lease, store)
    token = pipe.recv()
    assert driver(store, QUICK).token == token
    assert re.fullmatch(rf"process {child.pid} on \S+ since \d\d:\d\d", holder(store, QUICK))
    with pytest.raises(InputError) as refused, Lease(store, QUICK):
        pytest.fail("two drivers at once")
    assert str(refused.value).startswith(f"study 'mine' is already run by {holder(store, QUICK)}: ")
    assert "`cops status mine`" in str(refused.value)
    assert "`cops stop mine`" in str(refused.value)
    assert "\n" not in str(refused.value)
    pipe.send("end")
    child.join(10)
    assert holder(store, QUICK) is None
    with Lease(store, QUICK) as lease:
        assert lease.token != token
        assert not lease.lost


@pytest.mark.parametrize("kind", [StudyStore, Remote], ids=["folder", "uri"])
def test_of_many_drivers_that_start_at_once_one_continues(tmp_path, process, kind):
    class Together(kind):
        """All drivers start to write, 20 ms apart, only when none of them has found another one."""

        place = 0
        barrier = FORK.Barrier(4)

        def make_folders(self):
            super().make_folders()
            self.barrier.wait(20)
            time.sleep(0.02 * self.place)

    pipes = []
    for place in range(4):
        store = Together(tmp_path.as_uri(), "mine")
        store.place = place
        pipes.append(process(keep_lease, store, Timing(settle_s=1.0))[1])
    answers = [pipe.recv() for pipe in pipes]
    tokens = [answer for answer in answers if re.fullmatch("[0-9a-f]{16}", answer)]
    assert tokens == [driver(kind(tmp_path.as_uri(), "mine")).token]
    assert sum("is already run by process" in answer for answer in answers) == 3


def test_a_lease_in_a_folder_ends_at_once_with_its_process_even_if_child_processes_run(tmp_path, process):
    store = StudyStore(str(tmp_path), "mine")
    child, pipe = process(keep_lease_with_a_child, store)
    left_behind = pipe.recv()
    try:
        assert holder(store) is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        os.kill(left_behind, 0)  # raises if it is gone
        assert store.has(DRIVER)
        assert holder(store) is None
        with Lease(store) as lease:
            assert driver(store).token == lease.token
            assert driver(store).pid == os.getpid()
    finally:
        os.kill(left_behind, signal.SIGKILL)


def test_nothing_of_a_driver_is_left_when_it_has_ended(store, tmp_path):
    with Lease(store, QUICK):
        store.write_json(STOP, {})
    assert not store.has(DRIVER)
    assert not store.has(STOP)
    assert holder(store, QUICK) is None


def test_an_exception_ends_the_lease_and_is_passed_on(store):
    with pytest.raises(ZeroDivisionError), Lease(store, QUICK):
        _ = 1 / 0
    assert holder(store, QUICK) is None


def test_a_request_to_stop_that_a_dead_driver_left_is_removed(store):
    store.make_folders()
    store.write_json(STOP, {"token": "of a driver long gone"})
    with Lease(store, QUICK):
        assert not store.has(STOP)


def test_a_study_that_does_not_exist_is_not_running(store):
    assert holder(store) is None


def test_in_another_storage_a_dead_driver_counts_as_running_for_a_while(remote, process):
    child, pipe = process(keep_lease, remote)
    pipe.recv()
    time.sleep(2 * QUICK.given_up_s)
    assert driver(remote, QUICK) is not None  # renewed all the time
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with pytest.raises(InputError, match="counts as running"), Lease(remote, QUICK):
        pass
    time.sleep(QUICK.given_up_s)
    assert driver(remote, QUICK) is None
    with Lease(remote, QUICK) as lease:
        assert driver(remote, QUICK).token == lease.token


def test_in_another_storage_a_lease_that_another_driver_took_is_lost_and_not_touched(remote):
    with Lease(remote, QUICK) as lease:
        assert not lease.lost
        other = {**json.loads(remote.read(DRIVER)), "token": "another", "renewed": time.time() + 60}
        remote.write_json(DRIVER, other)
        wait_until(lambda: lease.lost)
        time.sleep(3 * QUICK.renew_s)
        assert json.loads(remote.read(DRIVER)) == other
    assert driver(remote, QUICK).token == "another"


def test_in_another_storage_a_lease_that_could_not_be_renewed_is_lost_until_it_is(remote, monkeypatch):
    with Lease(remote, QUICK) as lease:
        with monkeypatch.context() as patch:
            patch.setattr(remote, "read", broken)
            time.sleep(QUICK.given_up_s / 2)
            assert not lease.lost
            wait_until(lambda: lease.lost)
        wait_until(lambda: not lease.lost)
    assert driver(remote, QUICK) is None


def test_a_driver_of_another_day_is_shown_with_its_date():
    yesterday = datetime.now() - timedelta(days=1)
    one = Driver(host="box", pid=7, started=yesterday.timestamp(), renewed=0.0, token="x")
    assert str(one) == f"process 7 on box since {yesterday:%Y-%m-%d %H:%M}"


def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "mine").write_text("a file, not a folder")
    with pytest.raises(InputError, match=r"cannot be written .*: choose another --storage$"):
        Lease(StudyStore(str(tmp_path), "mine")).__enter__()


def broken(name):
    raise OSError("the network is away")


def wait_until(condition):
    ends = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)
