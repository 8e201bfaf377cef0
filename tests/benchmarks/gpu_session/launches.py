"""Studies as a user launches them, in a process and a home of their own."""

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from study.records.store import StudyStore
from study.records.trial import StudyTrial

SMALL = ("--rates", "0.99", "--trials", "4", "--epochs", "1")  # three baselines and a proposal


@dataclass(frozen=True)
class Launched:
    """A study that has ended.

    Attributes:
        seconds: From the command's start to its end.
        trials: All of them.
    """

    seconds: float
    trials: Sequence[StudyTrial]

    @property
    def statuses(self) -> str:
        """How many trials ended in which way."""
        return ", ".join(
            f"{count} {status}" for status, count in Counter(t.status for t in self.trials).items()
        )

    @property
    def rate(self) -> float:
        """Trials per second, from the first trial's start to the last one's end."""
        ends = max(trial.ended or 0.0 for trial in self.trials)
        return len(self.trials) / (ends - min(trial.started for trial in self.trials))

    @property
    def best(self) -> float:
        """The best validation accuracy, in [0, 1]."""
        return max(float(t.rows[-1]["validation_accuracy"]) for t in self.trials if t.rows)

    @property
    def gpus(self) -> str:
        """The shares of a GPU that trials had."""
        found = sorted({trial.facts["placed"]["gpus"] for trial in self.trials if trial.facts})
        return ", ".join(f"{share:g}" for share in found) or "none"


def launch(*words: str) -> Launched:
    """`cops launch quickstart`, with more words.

    Raises:
        RuntimeError: The command failed; with its last line.
    """
    with tempfile.TemporaryDirectory() as home:
        command = [
            *(str(Path(sys.executable).with_name("cops")), "launch", "quickstart", "--name", "session"),
            *("--home", home, "--score-cache", str(Path(home) / "scores"), *words),
        ]
        environment = {**os.environ, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
        began = time.perf_counter()
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - began
        if done.returncode:
            last = (done.stdout + done.stderr).strip().splitlines()[-1:]
            raise RuntimeError(f"cops launch ended with {done.returncode}: {' '.join(last)}")
        return Launched(seconds, StudyStore(str(Path(home) / "studies"), "session").trials())
