"""A page of the documentation, followed as a reader would: every command and Python block in order."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .pages import Step
from .table import BEFORE, COMMANDS, PYTHON, Run, Serve, Tier

# Which tiers' steps a walk takes: the slow one needs what the quick steps leave behind.
TIERS: dict[Tier, tuple[Tier, ...]] = {
    "quick": ("quick",),
    "slow": ("quick", "slow"),
    "fashion": ("fashion",),
}
FILE = re.compile(r"# (\w+\.py)\n")


@dataclass
class Walk:
    """In an empty folder, with a namespace for Python."""

    page: str
    folder: Path
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def command(self, text: str, tier: Tier) -> None:
        check = COMMANDS[self.page][text]
        if not isinstance(check, Run | Serve) or check.tier not in TIERS[tier]:
            return
        line = text.removeprefix("uv run ").partition(" | ")[0]  # without what reads its output
        if isinstance(check, Serve):
            self.serve(line)
        else:
            done = self.cops(f"{line} {check.more}")
            assert done.returncode == check.code, f"{text}\n{done.stdout}\n{done.stderr}"
            assert "Traceback" not in done.stderr, f"{text}\n{done.stderr}"

    def cops(self, line: str) -> subprocess.CompletedProcess[str]:
        program, *words = shlex.split(line)
        assert program == "cops", line
        words = [self.run_id() if word == "RUN" else word for word in words]
        return subprocess.run(
            [str(Path(sys.executable).with_name("cops")), *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def run_id(self) -> str:
        """A trial's run, as a reader copies it from MLflow's UI."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self.folder / 'cops-home' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("cops-study").experiment_id
        (run,) = client.search_runs([experiment], "tags.status = 'finished'", max_results=1)
        return str(run.info.run_id)

    def serve(self, line: str) -> None:
        """The command's server answers, on a port that is free, and ends with Ctrl-C."""
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        words = [str(Path(sys.executable).with_name("cops")), *shlex.split(line)[1:], "--port", str(port)]
        with subprocess.Popen(
            words, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as ui:
            try:
                wait_for(f"http://127.0.0.1:{port}/", ui)
            finally:
                ui.send_signal(signal.SIGINT)
                ui.wait(30)

    def python(self, number: int, text: str, tier: Tier) -> None:
        listed = PYTHON[self.page][number]
        if FILE.match(text) or listed.tier not in TIERS[tier]:
            return
        back = Path.cwd()
        os.chdir(self.folder)
        try:
            for code in (listed.before, text):
                exec(compile(code, f"{self.page}, Python block {number}", "exec"), self.namespace)
        finally:
            os.chdir(back)

    def write_files(self, steps: list[Step]) -> None:
        """The files that a page's Python blocks name, each of all its pieces."""
        for step in steps:
            if step.kind == "python" and (file := FILE.match(step.text)):
                with (self.folder / file[1]).open("a") as piece:
                    piece.write(step.text)

    def follow(self, steps: list[Step], tier: Tier) -> None:
        self.write_files(steps)
        if before := BEFORE.get(self.page):
            done = self.cops(before)
            assert done.returncode == 0, f"{before}\n{done.stdout}\n{done.stderr}"
        number = 0
        for step in steps:
            if step.kind == "command":
                self.command(step.text, tier)
            else:
                self.python(number, step.text, tier)
                number += 1


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while True:
        assert process.poll() is None, process.stderr.read() if process.stderr else b""
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            assert time.monotonic() < until, f"{url} does not answer"
            time.sleep(0.2)
