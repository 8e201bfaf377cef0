"""Machines for a cluster, made of this one: namespaces of network, processes, mounts and names.

Each has an address of its own on a network of its own, its own process 1, host name, /tmp, home, /run and
/dev/shm, an ssh daemon, and no checkout of the project. `ray up` cannot tell them from machines in a rack;
nothing in them reaches the world outside, or is reached from it. They share the tests' Python environment
and the folders that are `visible`, under the paths that these have here.

The namespaces have no names in the file system: each ends with its process 1, which ends when it is killed,
or when the process that made it dies, however it dies. Nothing is left behind that the next run could
stumble over.
"""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

SCRIPT = Path(__file__).with_name("machine.sh")
PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT = Path(sys.prefix)
HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)
HIDDEN = ("/tmp", "/run", "/dev/shm", str(HOME), str(PROJECT))
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# What is needed of Debian's packages, `uptime` by Ray's launcher.
PROGRAMS = {
    "ip": "iproute2",
    "rsync": "rsync",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "uptime": "procps",
}

SSHD_CONFIG = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no
PidFile none
PrintMotd no
"""


def check_possible() -> None:
    """AssertionError that says what is missing, if machines cannot be made here."""
    assert os.getuid() == 0, "machines are made of namespaces: run this test as root"
    missing = {
        package for program, package in PROGRAMS.items() if not shutil.which(program, path=SYSTEM_PATH)
    }
    assert not missing, f"install Debian's packages {' '.join(sorted(missing))}"


def environment_folders() -> list[Path]:
    """Everything that the tests' Python consists of, wherever that lies."""
    base = Path(sys.base_prefix)
    return sorted({ENVIRONMENT, base, base.resolve()})


@dataclass
class Machine:
    """One machine. It runs once it has been switched on, and has an empty home each time."""

    name: str
    address: str
    folder: Path  # what the test gives it: its names for the others, its keys
    visible: Sequence[Path]
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def switch_on(self) -> None:
        """Start it; it is ready afterwards, but for its network. AssertionError if that fails."""
        self.process = subprocess.Popen(
            [
                # It dies with the test, however that ends ...
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc"),
                # ... and everything in it dies with it.
                *("--kill-child", "bash", SCRIPT, self.name, self.folder, *self.visible),
            ],
            env={"HOME": str(HOME), "PATH": SYSTEM_PATH, "HIDDEN": ":".join(HIDDEN)},
            stdout=subprocess.PIPE,
            stderr=(self.folder / "machine.log").open("w"),
            text=True,
        )
        assert self.process.stdout is not None
        with self.process.stdout as output:
            assert output.readline() == "ready\n", (self.folder / "machine.log").read_text()

    def switch_off(self) -> None:
        """Kill everything in it at once, as a power cut does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    @property
    def first_process(self) -> psutil.Process:
        """Its process 1, as seen from outside."""
        assert self.process is not None, f"{self.name} is switched off"
        (first,) = psutil.Process(self.process.pid).children()
        return first

    def processes(self) -> list[psutil.Process]:
        """All processes in it but its own process 1 and what that waits for."""
        inside = self.first_process.children(recursive=True)
        return [process for process in inside if command_line(process)[:1] not in ([], ["sleep"])]

    def enter(self, *command: str | Path, folder: Path = HOME) -> list[str]:
        """The command line that runs `command` in it, in `folder`, with nothing of our own environment."""
        return [
            *("nsenter", "--target", str(self.first_process.pid)),
            *("--net", "--mount", "--pid", "--uts", "--ipc", "--"),
            *("env", "--ignore-environment", f"--chdir={folder}", f"HOME={HOME}", "LANG=C.UTF-8"),
            *(f"PATH={ENVIRONMENT / 'bin'}:{SYSTEM_PATH}", *map(str, command)),
        ]

    def run(self, *command: str | Path, timeout: float = 120) -> str:
        """What `command` prints in it; it must succeed."""
        done = subprocess.run(self.enter(*command), capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


def command_line(process: psutil.Process) -> list[str]:
    """Its words; none if it is dead."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@dataclass
class Rack:
    """Machines on one network, and the desk from which the cluster is commanded: a machine without sshd."""

    desk: Machine
    machines: Mapping[str, Machine]
    key: Path  # the private ssh key of the desk, which all machines know
    shared: Path  # a folder that all see, and the test too

    def switch_on(self, name: str) -> Machine:
        """Start a machine and plug it in."""
        machine = self.machines[name]
        machine.switch_on()
        pid = str(machine.first_process.pid)
        port = f"port{machine.address.rpartition('.')[2]}"
        ip(self.desk, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", pid)
        ip(self.desk, "link", "set", port, "master", "switch", "up")
        ip(machine, "address", "add", f"{machine.address}/24", "dev", "eth0")
        ip(machine, "link", "set", "eth0", "up")
        return machine


def ip(machine: Machine, *words: str) -> None:
    """`ip` on the network of a machine, but among the processes of this one, by whose ids it knows others."""
    subprocess.run(["nsenter", "--target", str(machine.first_process.pid), "--net", "ip", *words], check=True)


@contextmanager
def make_rack(folder: Path, names: Sequence[str]) -> Iterator[Rack]:
    """Machines of these names, switched on, that find each other by name; all off afterwards."""
    check_possible()
    shared = folder / "shared"
    shared.mkdir()
    visible = [*environment_folders(), shared]
    addresses = {name: f"10.77.0.{number}" for number, name in enumerate(names, start=11)}
    hosts = "".join(f"{address} {name}\n" for name, address in addresses.items())
    key = folder / "desk" / "key"

    def make(name: str, address: str) -> Machine:
        own = folder / name
        own.mkdir()
        (own / "hosts").write_text(f"127.0.0.1 localhost\n10.77.0.1 desk\n{hosts}")
        return Machine(name, address, own, visible)

    desk = make("desk", "10.77.0.1")
    machines = {name: make(name, address) for name, address in addresses.items()}
    make_key(key)
    for machine in machines.values():
        make_key(machine.folder / "host_key")
        shutil.copy(key.with_suffix(".pub"), machine.folder / "authorized_keys")
        (machine.folder / "sshd_config").write_text(SSHD_CONFIG.format(folder=machine.folder))
    rack = Rack(desk, machines, key, shared)
    with ExitStack() as stack:
        for machine in (desk, *machines.values()):
            stack.callback(machine.switch_off)
        desk.switch_on()
        ip(desk, "link", "add", "switch", "type", "bridge")
        ip(desk, "address", "add", f"{desk.address}/24", "dev", "switch")
        ip(desk, "link", "set", "switch", "up")
        for name in names:
            rack.switch_on(name)
        yield rack


def make_key(path: Path) -> None:
    """A new pair of ssh keys, for this test only."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
