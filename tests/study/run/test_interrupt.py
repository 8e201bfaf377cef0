"""Ctrl-C in a real terminal: one stops a study cleanly, two stop it at once; nothing is lost."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import threading
import time

import psutil
import pytest

from study.run.interrupt import Interrupts

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
STOPPING = "stopping: running trials write a checkpoint; Ctrl-C again stops now"


class Terminal:
    """A terminal with `width` columns, in which `cops` runs."""

    def __init__(self, width, *words):
        self.child, self._terminal = pty.fork()
        if self.child == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # it may be ignored where the tests were started
            command = [sys.executable, "-m", "study.cli", *map(str, words)]
            os.execve(sys.executable, command, {**os.environ, "TERM": "xterm", "COLUMNS": "", "LINES": ""})
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        self.output, self.status = b"", None

    @property
    def text(self):
        return ESCAPES.sub("\n", self.output.decode(errors="replace")).replace("\r", "")

    @property
    def said(self):
        """The output as text, without escape sequences."""
        return ESCAPES.sub("", self.output.decode(errors="replace"))

    def _read(self):
        """Read what was written; waits a moment for it."""
        if select.select([self._terminal], [], [], 0.02)[0]:
            try:
                self.output += os.read(self._terminal, 65536)
            except OSError:  # no process has the terminal open any more
                time.sleep(0.02)

    def wait_for(self, pattern, seconds=120):
        ends = time.monotonic() + seconds
        while not re.search(pattern, self.text):
            assert time.monotonic() < ends, self.text
            assert os.waitpid(self.child, os.WNOHANG) == (0, 0), self.text
            self._read()

    def press(self):
        os.write(self._terminal, b"\x03")

    def end(self, seconds=60):
        """Wait for the end; returns the exit code and the seconds."""
        start = time.monotonic()
        while (found := os.waitpid(self.child, os.WNOHANG)) == (0, 0):
            assert time.monotonic() - start < seconds, self.text
            self._read()
        took = time.monotonic() - start
        for _ in range(10):
            self._read()
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(found[1]), took


@pytest.fixture
def terminal(tmp_path):
    """Starts a long study in a terminal; returns the terminal when both trials train."""
    started = []

    def start(width, *words):
        home = ("--home", tmp_path / "home", "--checkpoint-every", 600)
        shown = Terminal(width, "launch", "quickstart", "--trials", 7, "--epochs", 3000, *home, *words)
        started.append(shown.child)
        shown.wait_for(r"dense +epoch [1-9]")
        shown.wait_for(r"prune snip q=0.95 +epoch [1-9]")
        return shown

    yield start
    for child in started:
        try:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def records(home):
    return [
        json.loads(path.read_text()) for path in sorted((home / "studies/quickstart/trials").glob("*.json"))
    ]


@pytest.mark.slow
def test_once_ends_cleanly_and_immediately_prints_a_message(terminal, tmp_path):
    shown = terminal(80)
    shown.press()
    shown.wait_for(re.escape(STOPPING), seconds=10)
    code, _ = shown.end()
    assert code == 1, shown.text
    home = tmp_path / "home"
    assert {record["status"] for record in records(home)} == {"interrupted"}
    assert len(list((home / "studies/quickstart/checkpoints").glob("*.pt"))) == 2
    assert "2 interrupted" in shown.said
    assert "the study ended early: Ctrl-C was pressed" in shown.text
    assert f"cops resume quickstart --home {home}" in shown.said
    assert "Traceback" not in shown.text
    before = shown.text.partition("quickstart: ")[0]  # commands to copy are not broken into lines
    assert max(map(len, before.splitlines())) <= 80


@pytest.mark.slow
def test_twice_ends_at_once_and_loses_nothing(terminal, tmp_path):
    shown = terminal(140)
    family = psutil.Process(shown.child).children(recursive=True)
    assert any("raylet" in process.name() for process in family)
    shown.press()
    shown.wait_for(re.escape(STOPPING), seconds=10)
    shown.press()
    code, took = shown.end()
    assert code == 130, shown.text
    assert took < 8  # 1 to 2 s on a machine that has nothing else to do
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
    home = tmp_path / "home"
    recorded = records(home)
    assert [record["status"] for record in recorded] == ["interrupted", "interrupted"]
    assert all(record["rows"] for record in recorded)
    assert not (home / "studies/quickstart/driver.json").exists()
    assert "stopped at once: all records are written" in shown.text
    assert f"cops resume quickstart --home {home}" in shown.said
    assert "Traceback" not in shown.text


def press():
    signal.raise_signal(signal.SIGINT)


def test_before_anything_runs_ctrl_c_raises_as_usual():
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        press()
    assert not interrupts.pressed_twice


def test_the_first_stops_the_second_raises_then_it_is_ignored():
    said, stops = [], []

    def stop():
        stops.append("stopped")
        return "stopping"

    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        interrupts.handle(stop, said.append)
        press()
        for thread in [thread for thread in threading.enumerate() if thread.daemon]:
            thread.join(0.2)
        assert (stops, said, interrupts.pressed_twice) == (["stopped"], ["stopping"], False)
        with pytest.raises(KeyboardInterrupt):
            press()
        assert interrupts.pressed_twice
        interrupts.ignore()
        press()
    assert signal.getsignal(signal.SIGINT) == before
    assert len(stops) == 1


def test_in_another_thread_nothing_is_changed(process):
    with Interrupts():
        inside = signal.getsignal(signal.SIGINT)
    before = signal.getsignal(signal.SIGINT)
    assert inside != before
    found = []

    def elsewhere():
        with Interrupts():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [before]
