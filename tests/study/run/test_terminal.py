"""A terminal that closes, with a process in it: a real pseudo-terminal."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study.run.terminal import OutlivingFile

PROGRAM = """
import sys, time
from pathlib import Path
from rich.console import Console
from study.run.terminal import outliving_terminal
console = Console()
with {guard}:
    console.print("begun")
    for _ in range(40):
        console.print("tick")
        time.sleep(0.05)
console.print("ended")
Path("done").touch()
"""


def run_in_a_terminal_that_closes(folder, guard, monkeypatch):
    """Starts the program in a terminal of its own, closes the terminal, and waits for the program."""
    program = folder / "program.py"
    program.write_text(PROGRAM.format(guard=guard))
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # also where the tests were started by nohup
        os.chdir(folder)
        os.execv(sys.executable, [sys.executable, str(program)])
    said = b""
    while b"tick" not in said:
        said += os.read(terminal, 1000)
    os.close(terminal)
    for _ in range(200):
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    return pytest.fail("it did not end")


def test_the_program_goes_on_and_what_it_says_is_in_the_log(tmp_path, monkeypatch):
    guard = "outliving_terminal(Path('study.log'))"
    status = run_in_a_terminal_that_closes(tmp_path, guard, monkeypatch)
    assert os.WIFEXITED(status)
    assert os.WEXITSTATUS(status) == 0
    assert (tmp_path / "done").exists()
    log = (tmp_path / "study.log").read_text()
    assert "tick" in log
    assert log.endswith("ended\n")
    assert "\x1b" not in log


def test_what_is_printed_before_the_signal_is_heard_is_in_the_log(tmp_path):
    master, descriptor = pty.openpty()
    os.close(master)  # the terminal is gone, and no signal has come yet
    log = (tmp_path / "study.log").open("ab")
    with OutlivingFile(descriptor, lambda: os.dup2(log.fileno(), descriptor)) as file:
        assert file.write(b"said in between\n") == 16
    log.close()
    os.close(descriptor)
    assert (tmp_path / "study.log").read_text() == "said in between\n"


def test_a_write_that_fails_otherwise_fails(tmp_path):
    (tmp_path / "file").touch()
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    with (
        OutlivingFile(descriptor, lambda: pytest.fail("nothing hung up")) as file,
        pytest.raises(OSError, match="Bad file"),
    ):
        file.write(b"lost")
    os.close(descriptor)


def test_without_it_the_program_dies_with_its_terminal(tmp_path, monkeypatch):
    status = run_in_a_terminal_that_closes(tmp_path, "open(__file__)", monkeypatch)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) != 0
    assert not (tmp_path / "done").exists()


def test_nohup_is_left_alone(tmp_path):
    code = (
        "import signal; from pathlib import Path; from study.run.terminal import outliving_terminal\n"
        "with outliving_terminal(Path('x')): print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    )
    done = subprocess.run(["nohup", sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
