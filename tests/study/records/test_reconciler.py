"""What is marked is pushed, in order, until it has succeeded."""

import threading
import time

import pytest

from study.records.reconciler import Reconciler


class Target:
    """Receives pushes; fails a given number of times; blocks while it is closed."""

    def __init__(self, failures=0):
        self.pushed, self.failures, self.open = [], failures, threading.Event()
        self.open.set()

    def __call__(self, key):
        self.open.wait(5)
        if self.failures:
            self.failures -= 1
            raise OSError(f"no room for {key}")
        self.pushed.append(key)


@pytest.fixture
def reconciler():
    made = []

    def make(target):
        made.append(Reconciler("test", target, pause_s=0.01))
        return made[-1]

    yield make
    for one in made:
        one.close(1.0)


def test_marks_are_pushed_in_their_order_and_those_that_wait_are_one(reconciler):
    target = Target()
    subject = reconciler(target)
    target.open.clear()
    subject.mark("a")
    time.sleep(0.05)  # it is being pushed: a further mark is one more push
    for key in "bacab":
        subject.mark(key)
    target.open.set()
    assert subject.drain(5.0)
    assert target.pushed == ["a", "b", "a", "c"]


def test_a_failed_push_is_repeated_and_later_marks_wait_for_it(reconciler):
    target = Target(failures=3)
    subject = reconciler(target)
    for key in "abc":
        subject.mark(key)
    assert subject.drain(5.0)
    assert target.pushed == ["a", "b", "c"]
    assert subject.failure is None


def test_drain_tells_whether_everything_was_pushed_in_time(reconciler):
    subject = reconciler(Target(failures=10**9))
    subject.mark("a")
    assert not subject.drain(0.1)
    assert "no room for a" in str(subject.failure)
    assert not subject.close(0.1)


def test_drain_waits_as_long_as_something_is_pushed(reconciler):
    pushed = []

    def slowly(key):
        time.sleep(0.1)
        pushed.append(key)

    subject = reconciler(slowly)
    for key in range(10):
        subject.mark(key)
    assert subject.close(0.5)
    assert pushed == list(range(10))


def test_a_delayed_mark_waits_for_its_time_unless_it_is_drained(reconciler):
    target = Target()
    subject = reconciler(target)
    subject.mark("later", delay_s=60.0)
    subject.mark("now")
    time.sleep(0.1)
    assert target.pushed == ["now"]
    assert subject.drain(5.0)
    assert target.pushed == ["now", "later"]


def test_an_urgent_mark_does_not_wait_for_a_delayed_one_of_the_same_key(reconciler):
    target = Target()
    subject = reconciler(target)
    subject.mark("a", delay_s=60.0)
    subject.mark("a")
    time.sleep(0.1)
    assert target.pushed == ["a"]
