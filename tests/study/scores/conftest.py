"""`cops` in this process, and data in CIFAR's binary format."""

import numpy as np
import pytest


@pytest.fixture
def cops(run, monkeypatch):
    """Runs `cops` in a wide terminal; see `run`."""
    monkeypatch.setenv("COLUMNS", "120")
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
