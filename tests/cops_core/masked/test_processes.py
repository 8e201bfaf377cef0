"""Several processes train a masked network as one does, and send the kept values only."""

import pytest

from .networks import ARMS
from .processes import RANKS, Run, alone, in_processes, network, trained

# The shares of the weights that are frozen.
RATES = (0.9, 0.99, 0.999)
TOLERANCE = 1e-4


def trained_bytes(run: Run) -> int:
    return sum(4 * each.numel() for each in network(run).parameters())


def test_distributed_data_parallel(tmp_path):
    runs = [Run(density=1 - rate) for rate in RATES]
    runs += [Run(arm="prune", density=0.01), Run(arm="freeze_wd", density=0.0), Run(seeds=(1, 2))]
    first, second = in_processes(tmp_path, trained, runs)
    for run, one, other in zip(runs[:-1], first, second, strict=False):
        assert one["losses"] == pytest.approx(alone(run), rel=TOLERANCE)
        assert one == other
        assert one["audit"].isdigit()
        # All that a step moves: the trained values' gradients. No tensor has a weight's size, nor a buffer.
        assert sum(one["sizes"]) == trained_bytes(run)
        assert len(one["sizes"]) == 1
    for one in (first[-1], second[-1]):
        assert "processes 0 and 1 have other masks or frozen weights at module.0.weight" in one["audit"]
        assert "cops.initialize" in one["audit"]


@pytest.mark.slow
@pytest.mark.parametrize("trainer", ["ddp", "fsdp1", "fsdp1 flat", "fsdp2"])
def test_every_trainer(tmp_path, trainer):
    runs = [Run(trainer, arm, density) for arm in ARMS for density in (0.3, 0.05)]
    runs += [Run(trainer, seeds=(1, 2)), Run(trainer, arm="prune", seeds=(1, 2))]
    answers = in_processes(tmp_path, trained, runs)
    for rank in range(RANKS):
        for run, found in zip(runs[:-2], answers[rank], strict=False):
            assert found["losses"] == pytest.approx(alone(run), rel=TOLERANCE), run
            assert int(found["audit"]) > 0
        assert "other masks or frozen weights" in answers[rank][-2]["audit"]
        assert int(answers[rank][-1]["audit"]) > 0  # nothing of theta0 is left


@pytest.mark.slow
def test_buffers_are_the_networks_own(tmp_path):
    run = Run(norm=True, density=0.01)
    for found in in_processes(tmp_path, trained, [run])[0]:
        assert sum(found["sizes"]) == trained_bytes(run) + 2 * 4 * 100 + 8  # mean, variance, count
