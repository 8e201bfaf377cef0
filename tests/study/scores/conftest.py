"""`cops` in this process, and data in CIFAR's binary format."""

import sys

import numpy as np
import pytest

from study import cli


@pytest.fixture
def cops(monkeypatch, capsys, tmp_path):
    """Runs `cops` in an empty folder, in a wide terminal; returns exit code, stdout and stderr."""

    def run(*words):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "120")
        monkeypatch.setattr(sys, "argv", ["cops", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        captured = capsys.readouterr()
        return left.value.code, captured.out, captured.err

    return run


@pytest.fixture
def cifar_root(tmp_path):
    """A root for downloads in which small files of CIFAR-10 already lie."""
    folder = tmp_path / "data" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    draws = np.random.default_rng(0)
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"):
        records = draws.integers(0, 256, (40, 1 + 3072), dtype=np.uint8)
        records[:, 0] = np.arange(40) % 10
        (folder / name).write_bytes(records.tobytes())
    return folder.parent
