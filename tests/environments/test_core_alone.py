"""cops_core in an environment that holds its own dependencies and nothing of the study's."""

import shutil
import subprocess
import sys

import pytest

CORE_DEPENDENCIES = [
    "filelock",
    "safetensors",
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "pydantic",
    "scikit-learn",
]

ABSENT = """
import importlib.util
for name in ("ray", "mlflow", "optuna", "pyarrow", "typer", "study", "search_spaces", "cops_core"):
    if importlib.util.find_spec(name):
        print(name)
"""


def uv() -> list[str]:
    """The command that runs uv, or nothing where there is none."""
    for command in ([sys.executable, "-m", "uv"], [shutil.which("uv") or sys.executable]):
        answer = subprocess.run([*command, "--version"], capture_output=True, text=True)
        if answer.stdout.startswith("uv "):
            return command
    return []


@pytest.mark.slow
def test_a_trial_trains_where_only_cops_cores_dependencies_are(environment, checkout, trial_program):
    constrained = ["-c", checkout / "constraints.txt", *CORE_DEPENDENCIES]
    if command := uv():
        environment.run(*command, "pip", "install", "--python", environment.python, *constrained, minutes=20)
    else:
        environment.run(environment.python, "-m", "pip", "install", *constrained, minutes=30)
    assert environment.execute(ABSENT) == []
    (checkout / "search_spaces").rename(checkout / "not search spaces")
    (checkout / "study").rename(checkout / "not study")
    path = {"PYTHONPATH": str(checkout)}
    assert environment.execute(ABSENT, **path) == ["cops_core"]
    assert environment.execute(trial_program, **path) == ["finished", "2510"]
