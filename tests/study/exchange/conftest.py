"""An exported study, and `cops import` of a file."""

import pytest


@pytest.fixture
def new_home(tmp_path):
    return tmp_path / "new"


@pytest.fixture
def bring(run, new_home):
    """Runs `cops import` into a new home."""

    def words(*arguments):
        return run("import", *arguments, "--home", new_home)

    return words


@pytest.fixture
def file(run, tmp_path):
    """Exports a study; returns the file."""

    def export(name="mine"):
        path = tmp_path / f"{name}.db"
        assert run("export", name, "--format", "optuna", "--out", path, "--home", tmp_path / "home")[0] == 0
        return path

    return export
