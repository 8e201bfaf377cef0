"""cops_core runs where the packages of the study are not installed: here their import fails."""

import subprocess
import sys
from pathlib import Path

import pytest

TRAIN_A_TRIAL = """
import sys

ABSENT = {"ray", "mlflow", "optuna", "pyarrow", "typer", "search_spaces", "study"}


class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())

from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.trial import run_trial

selection = Selection(target="synflow", controls=(Control(score="snip", level=0.3),))
config = TrialConfig(arm="freeze", selection=selection, density="0.05", training=Training(epochs=1))
epochs = []
result = run_trial(config, epochs.append)
print(result.status, len(epochs), result.facts["kept_weights"])
print(*sorted(ABSENT & {name.partition(".")[0] for name in sys.modules}))
"""

IMPORT_EVERYTHING = """
import importlib, pkgutil
import cops_core
for module in pkgutil.walk_packages(cops_core.__path__, "cops_core."):
    importlib.import_module(module.name)
from cops_core.vision import torchvision_datasets
print(torchvision_datasets().MNIST.__name__)
"""


def run(program: str, folder: Path) -> list[str]:
    """The lines that `program` prints in a new process, in an empty folder."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_trial_trains_and_every_module_imports_without_the_studys_packages(tmp_path):
    trained, imported, everything = run(TRAIN_A_TRIAL + IMPORT_EVERYTHING, tmp_path)
    assert trained == "finished 1 2510"
    assert imported == ""
    assert everything == "MNIST"


@pytest.mark.parametrize("package", ["ray.tune", "optuna"])
def test_the_hook_does_hide_packages(tmp_path, package):
    hook = TRAIN_A_TRIAL.partition("from cops_core")[0]
    lines = run(
        f"{hook}\ntry:\n    import {package}\nexcept ModuleNotFoundError:\n    print('absent')", tmp_path
    )
    assert lines == ["absent"]
