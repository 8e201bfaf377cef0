"""`cops check --data`: data sets that are never downloaded are checked where their files are."""

import io
from dataclasses import replace

from rich.console import Console

from cops_core.data import DATASETS
from cops_core.plugins import CORE_REGISTRIES
from study.networks import check


def checked(root, monkeypatch) -> tuple[int, str]:
    """Exit code and output for a registry of two data sets."""
    two = {name: DATASETS[name] for name in ("digits", "imagenet64")}
    registry = replace(CORE_REGISTRIES["DATASETS"], components=two)
    monkeypatch.setattr(check, "REGISTRIES", {"DATASETS": registry})
    output = io.StringIO()
    code = check.check_all(root, Console(file=output, width=400), with_data=True)
    return code, output.getvalue()


def test_data_that_are_missing_are_not_checked(tmp_path, monkeypatch):
    code, said = checked(tmp_path, monkeypatch)
    assert code == check.KEPT
    assert f"imagenet64 was not checked: its files are not in {tmp_path}" in said
    assert said.count("data set ") == 1


def test_data_that_are_available_are_checked(tmp_path, monkeypatch):
    for part in ("train", "val"):
        (tmp_path / "imagenet" / part).mkdir(parents=True)
    code, said = checked(tmp_path, monkeypatch)
    assert code == check.BROKEN
    assert "train has no folders" in said
