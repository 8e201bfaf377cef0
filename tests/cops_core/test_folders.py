"""A user without a home, as in a container with a number for a user, has folders all the same."""

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from cops_core.folders import has_home, user_cache

# Imports what looks for a home, as a user whom the system does not know.
WITHOUT_HOME = """
import os, pwd
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown
import study.tracking
from study.settings import Settings
assert Settings.model_fields["data_root"].default.is_absolute()
print(os.environ["HOME"])
"""


@pytest.fixture
def homeless(monkeypatch):
    def unknown(number):
        raise KeyError(number)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)


def test_folders_are_in_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert has_home()
    assert user_cache("data") == tmp_path / ".cache" / "cops-study" / "data"


def test_without_a_home_they_are_temporary(homeless, monkeypatch, tmp_path):
    monkeypatch.setattr("cops_core.folders.gettempdir", lambda: str(tmp_path))
    assert not has_home()
    assert user_cache("data") == tmp_path / f"cops-study-{os.getuid()}" / "data"
    assert list(Path(tmp_path).iterdir()) == []


@pytest.mark.slow
def test_everything_can_be_imported_without_a_home(tmp_path):
    surroundings = {**os.environ, "TMPDIR": str(tmp_path)}
    surroundings.pop("HOME", None)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_HOME], env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == str(tmp_path / f"cops-study-{os.getuid()}" / "home"), done.stderr
