"""Whole trials whose numbers are stored: a refactoring that changes them must say so.

In float64, where the order of additions, which differs between machines, hardly matters.
"""

import pytest

from cops_core.config import Control, Selection, Training, TrialConfig
from cops_core.train import EpochMetrics
from cops_core.trial import run_trial

SNIP = Selection(target="snip")
COPS = Selection(target="synflow", controls=(Control(score="snip", level=0.3),))


def config(precision: str, **fields) -> TrialConfig:
    training = Training(epochs=3, learning_rate=0.1, precision=precision)
    return TrialConfig(seed=1, training=training, **fields)


RUNS = {
    "dense": config("float64"),
    "dense in float32": config("float32"),
    "prune": config("float64", arm="prune", selection=SNIP, density="0.05"),
    "freeze": config("float64", arm="freeze", selection=SNIP, density="0.05"),
    "prune cops": config("float64", arm="prune", selection=COPS, density="0.05"),
    "freeze cops": config("float64", arm="freeze", selection=COPS, density="0.05"),
}

# Per epoch: training loss, validation loss, validation accuracy.
METRICS = {
    "dense": [
        (1.147355389, 0.4617787499, 0.8333333333),
        (0.2257209647, 0.2389728984, 0.9027777778),
        (0.1187077507, 0.1597353009, 0.9513888889),
    ],
    "dense in float32": [
        (1.147355359, 0.4617787997, 0.8333333333),
        (0.2257209344, 0.2389728758, 0.9027777778),
        (0.1187077539, 0.1597352955, 0.9513888889),
    ],
    "prune": [
        (2.242021024, 2.069640881, 0.4236111111),
        (1.870483736, 1.61491169, 0.6319444444),
        (1.522339408, 1.474014543, 0.6666666667),
    ],
    "freeze": [
        (1.767457563, 0.9703511212, 0.7916666667),
        (0.687375168, 0.4803030387, 0.8819444444),
        (0.4555889102, 0.4323891612, 0.9027777778),
    ],
    "prune cops": [
        (2.262159987, 2.178372636, 0.4375),
        (2.100436925, 1.978357565, 0.5902777778),
        (1.947559829, 1.908983766, 0.5902777778),
    ],
    "freeze cops": [
        (1.953723752, 1.297194941, 0.7708333333),
        (0.9437451489, 0.6764175829, 0.8541666667),
        (0.6131365999, 0.6014985878, 0.8680555556),
    ],
}

MASKS = {
    "prune": "0f0565632a930f4307d8e299a7a7d8e93c84cefb5fcd8111a100af540c2fc263",
    "freeze": "0f0565632a930f4307d8e299a7a7d8e93c84cefb5fcd8111a100af540c2fc263",
    "prune cops": "9760ee4f9e0c46b4415cf8c087cfe07fe6ef15a3b9652e30a4e23be785b341b7",
    "freeze cops": "9760ee4f9e0c46b4415cf8c087cfe07fe6ef15a3b9652e30a4e23be785b341b7",
}


@pytest.mark.parametrize("name", RUNS)
def test_numbers_as_stored(name):
    rows: list[EpochMetrics] = []
    result = run_trial(RUNS[name], rows.append)
    assert result.facts["mask_sha256"] == MASKS.get(name)
    assert len(rows) == len(METRICS[name])
    for row, expected in zip(rows, METRICS[name], strict=True):
        ours = (row.train_loss, row.validation_loss, row.validation_accuracy)
        assert ours == pytest.approx(expected, rel=1e-4 if "float32" in name else 1e-5)
