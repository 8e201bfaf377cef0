"""What every test runs under: one torch thread, and the same examples of hypothesis each time.

Threads that wait for each other cost minutes, the networks being small. New examples are looked for
by hand, so that a change is judged by its own doing: `pytest --hypothesis-profile=default`.
Processes that tests start write bytecode, whatever this one does: their imports take half the time.
Ray reads its settings when it is first imported, by whatever test: `study.run.ray` sets them before.
Otherwise each worker of a study that a test runs under `uv run` builds an environment of its own.
"""

import os

import torch
from hypothesis import settings

import study.run.ray  # noqa: F401

torch.set_num_threads(1)
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser):
    parser.addoption(
        "--moments", type=int, default=2, help="At how many random moments each kind of chaos strikes."
    )
