"""Ray's launcher at the desk of a rack, with docs/cluster/on-prem.yaml, and a log of what it was told."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from shlex import quote
from typing import Any

import pytest
import yaml

from .namespaces import ENVIRONMENT, PROJECT, Machine, Rack

TEMPLATE = PROJECT / "docs" / "cluster" / "on-prem.yaml"
# A line of what `ray exec` prints that is not of the command.
LAUNCHERS_OWN = r"\d{4}-\d\d-\d\d \S+\t[A-Z]+ |Warning: Permanently added|Shared connection to|$"
COLOURS = r"\x1b\[\d*m"
USER = getuser()
JOB_LOGS = "/tmp/ray/session_latest/logs/job-driver-*.log"


def edited(rack: Rack) -> dict[str, Any]:
    """The template with its lines marked EDIT changed for this rack, as docs/cluster.md tells people to.

    Besides: the environment that is here takes the place of one that would be installed, which needs a
    network; and a worker offers one core.
    """
    head, *workers = [machine.address for machine in rack.machines.values()]
    text = TEMPLATE.read_text()
    for old, new in (
        ("192.168.1.10", head),
        ("[192.168.1.11, 192.168.1.12]", f"[{', '.join(workers)}]"),
        ("ssh_user: ubuntu", f"ssh_user: {USER}"),
        ("~/.ssh/id_ed25519", str(rack.key)),
        ("COPS_STORAGE=/shared/cops", f"COPS_STORAGE={rack.shared}"),
        ("ray start --address=$RAY_HEAD_IP:6379", "ray start --address=$RAY_HEAD_IP:6379 --num-cpus=1"),
    ):
        assert old in text, f"{TEMPLATE} has no {old!r} any more: change this test with it"
        text = text.replace(old, new)
    assert "192.168." not in text
    config: dict[str, Any] = yaml.safe_load(text)
    settings = [command for command in config["setup_commands"] if "cops-env" in command]
    assert settings, f"no command of {TEMPLATE} writes ~/.cops-env any more: change this test with it"
    config["setup_commands"] = [
        f"ln -sfn {ENVIRONMENT} ~/cops-venv",
        *settings,
        "echo 'export PYTHONPATH=$HOME/cops-study' >> ~/.cops-env",
    ]
    return config


@dataclass
class Launcher:
    """`ray` at the rack's desk, in a copy of the project: a checkout without environments and caches."""

    rack: Rack
    log: Path

    def __post_init__(self) -> None:
        self.project = self.rack.desk.folder / "project"
        self.config = self.rack.desk.folder / "on-prem.yaml"
        copy = ["rsync", "-a", "--filter=:- .gitignore", f"{PROJECT}/", str(self.project)]
        subprocess.run(copy, check=True)
        self.config.write_text(yaml.safe_dump(edited(self.rack), sort_keys=False, width=1000))
        self.say("$ ray get-auth-token --generate")
        self.token = self.at_desk("ray", "get-auth-token", "--generate").split()[-1]

    def say(self, line: str) -> None:
        """Into the log, and for whoever watches (`pytest -s`)."""
        with self.log.open("a") as log:
            log.write(f"{line}\n")
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step of the test, with its duration in the log."""
        began = time.monotonic()
        self.say(f"\n== {title}")
        try:
            yield
        except BaseException:
            self.say(f"-- failed after {time.monotonic() - began:.0f} s")
            raise
        self.say(f"-- {time.monotonic() - began:.0f} s")

    def at_desk(self, *command: str | Path, code: int = 0, timeout: float = 180) -> str:
        """What a command at the desk prints; AssertionError if it exits with another code than `code`.

        The output goes through files: Ray leaves an ssh process behind for ten seconds, which would
        keep a pipe open.
        """
        paths = [self.rack.desk.folder / name for name in ("stdout", "stderr")]
        with paths[0].open("w") as stdout, paths[1].open("w") as stderr:
            done = subprocess.run(
                self.rack.desk.enter(*command, folder=self.project),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=timeout,
            )
        printed, errors = (path.read_text().replace("\r\n", "\n") for path in paths)
        assert done.returncode == code, f"exit code {done.returncode}\n{printed}\n{errors}"
        return printed

    def ray(self, *words: str | Path, timeout: float = 180) -> str:
        """`ray WORDS` at the desk."""
        shown = [quote(str(word).replace(str(self.config), "on-prem.yaml")) for word in words]
        self.say(f"$ ray {' '.join(shown)}")
        return self.at_desk("ray", *words, timeout=timeout)

    def up(self) -> None:
        """`ray up`. The head is there afterwards; the workers follow."""
        self.ray("up", "-y", "--no-config-cache", self.config)

    def on_head(self, command: str) -> str:
        """`ray exec`: what a command on the head prints, which is logged too."""
        printed = re.sub(COLOURS, "", self.ray("exec", self.config, command))
        lines = [line for line in printed.splitlines() if not re.match(LAUNCHERS_OWN, line)]
        self.say("\n".join(lines) or "(no output)")
        return "\n".join(lines)

    def ssh(self, machine: Machine, command: str) -> str:
        """What a command prints on a machine that is reached by ssh."""
        self.say(f"$ ssh {machine.name} {command}")
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        ssh = ["ssh", *(word for option in options for word in ("-o", option)), "-i", self.rack.key]
        return self.at_desk(*ssh, f"{USER}@{machine.address}", f"bash -ic {quote(command)}")

    def wait_for(self, what: str, condition: Callable[[], object], seconds: float = 120) -> None:
        """Wait until `condition()`; the test fails if it takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = self.rack.machines["head"].run("bash", "-c", f"tail -n 40 {JOB_LOGS} || true")
                pytest.fail(f"waited {seconds:.0f} s in vain for {what}\n{logs}")
            time.sleep(0.5)
