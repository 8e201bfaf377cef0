"""Benchmarks as tests import them: as modules of their folder, as `python tests/benchmarks/NAME.py` does."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def forget():
    """Remove the folder's modules: their names are no package's, and a test may change their values."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and FOLDER in Path(path).parents and not name.startswith("tests."):
            del sys.modules[name]


@pytest.fixture
def benchmark(monkeypatch):
    """Imports one by its name."""
    monkeypatch.syspath_prepend(FOLDER)
    yield import_module
    forget()


@pytest.fixture
def refused(monkeypatch):
    """What a benchmark says that ends before it has measured anything."""

    def run(module, *words):
        monkeypatch.setattr(sys, "argv", [module.__name__, *words])
        with pytest.raises(SystemExit) as left:
            module.as_command(module.main)
        return str(left.value)

    return run
