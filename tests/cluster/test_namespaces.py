"""The machines that `ray up` is tried on: each on its own, and none left behind."""

import signal
import subprocess
import sys

import psutil
import pytest

from .namespaces import PROJECT, make_rack

pytestmark = pytest.mark.slow

# Makes a rack in the folder it is given, says which processes it consists of, and waits for its end.
OWNER = """
import signal, sys, time
from pathlib import Path
from tests.cluster.namespaces import make_rack

# Ctrl-C is ignored by what a shell started in the background, and by its children.
signal.signal(signal.SIGINT, signal.default_int_handler)
with make_rack(Path(sys.argv[1]), ["one", "two"]) as rack:
    machines = [rack.desk, *rack.machines.values()]
    print(*(machine.first_process.pid for machine in machines), flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def rack(tmp_path_factory):
    with make_rack(tmp_path_factory.mktemp("rack"), ["one", "two"]) as rack:
        yield rack


def test_machines_share_nothing_but_one_folder(rack):
    one, two = rack.machines.values()
    for place in ("/tmp", "/run", "/dev/shm", "~"):
        one.run("bash", "-c", f"touch {place}/seen")
        two.run("bash", "-c", f"test ! -e {place}/seen")
    one.run("touch", rack.shared / "seen")
    two.run("test", "-e", rack.shared / "seen")
    assert (rack.shared / "seen").exists()
    assert one.run("hostname") == "one\n"
    assert two.run("pgrep", "-c", "sshd") == "1\n"  # its own, not its neighbour's
    one.run("test", "!", "-e", PROJECT / "pyproject.toml")


def test_a_machine_that_was_switched_off_has_forgotten_everything(rack):
    two = rack.machines["two"]
    two.run("bash", "-c", "touch ~/seen")
    first = two.first_process
    two.switch_off()
    psutil.wait_procs([first], 10)
    assert not first.is_running()
    rack.switch_on("two")
    two.run("bash", "-c", "test ! -e ~/seen")
    known = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i", rack.key]
    assert rack.desk.run("ssh", *known, two.address, "hostname") == "two\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_process_that_made_it(tmp_path, number):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        inside = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        inside += [child for process in inside for child in process.children(recursive=True)]
        assert len(inside) > 3
        owner.send_signal(number)
        owner.communicate(timeout=30)
    finally:
        owner.kill()
        owner.communicate()
    _, alive = psutil.wait_procs(inside, 10)
    assert not alive
