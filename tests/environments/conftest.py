"""Virtual environments that the tests build for themselves, and what is run in them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MINUTES = 60


@dataclass(frozen=True)
class Environment:
    """A virtual environment, and the folder in which its programs run."""

    folder: Path
    home: Path

    @property
    def python(self) -> Path:
        return next(path for path in self.folder.glob("*/python*") if path.stem == "python")

    def run(self, *command: str | Path, minutes: float = 5, **variables: str) -> str:
        """What `command` prints; it must succeed. Nothing of the tests' own environment leaks in."""
        inherited = {
            name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}
        }
        done = subprocess.run(
            list(map(str, command)),
            cwd=self.home,
            env=inherited | variables,
            capture_output=True,
            text=True,
            timeout=minutes * MINUTES,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def execute(self, program: str, **variables: str) -> list[str]:
        """The words that a Python program prints."""
        return self.run(self.python, "-c", program, **variables).split()


@pytest.fixture
def environment(tmp_path) -> Iterator[Environment]:
    """An empty virtual environment of the tests' own Python, with pip; deleted afterwards."""
    home = tmp_path / "home"
    home.mkdir()
    ours = Environment(tmp_path / "environment", home)
    ours.run(sys.executable, "-m", "venv", ours.folder)
    yield ours
    shutil.rmtree(ours.folder)


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the sources, so that installing them leaves no trace in the real ones."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for package in ("cops_core", "search_spaces", "study"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def trial_program() -> str:
    """A program that trains a trial of one epoch, scored by COPS, and prints how it ended."""
    return """
from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.trial import run_trial

selection = Selection(target="synflow", controls=(Control(score="snip", level=0.3),))
config = TrialConfig(arm="freeze", selection=selection, density="0.05", training=Training(epochs=1))
result = run_trial(config, lambda metrics: None)
print(result.status, result.facts["kept_weights"])
"""
