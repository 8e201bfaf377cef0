"""The share of a GPU for each trial, also after a trial ran out of memory."""

import math

from cops_core.config import TrialConfig

# The properties of a trial that its memory depends on.
Kind = tuple[str, str, str, str, int]


def spread(share: float, trials: int, gpus: float) -> float:
    """The share of each trial such that no GPU idles while another one is shared.

    Ray fills a GPU before it uses the next one. With at least as many GPUs as trials each trial has a whole
    GPU.

    Args:
        share: What a trial needs at least, in (0, 1].
        trials: How many run at the same time.
        gpus: How many there are.
    """
    per_gpu = min(int(1 / share + 1e-9), max(1, math.ceil(trials / max(gpus, 1))))
    return part(per_gpu)


def part(trials: int) -> float:
    """The share of each of `trials` on one GPU, rounded down to ten-thousandths as in Ray."""
    return math.floor(10_000 / trials) / 10_000


class Shares:
    """The number of GPUs for each trial: the usual one, or more for kinds of trials that ran out of memory.

    Args:
        usual: GPUs for a trial, 0 on the CPU.
    """

    def __init__(self, usual: float) -> None:
        self.usual = usual
        self._raised: dict[Kind, float] = {}

    def of(self, config: TrialConfig) -> float:
        """The number of GPUs for a trial with this configuration."""
        return self._raised.get(_kind(config), self.usual)

    def raise_for(self, config: TrialConfig, had: float) -> bool:
        """Increase the share of this kind of trial after it ran out of memory: half as many share a GPU.

        Args:
            config: Of the trial.
            had: Its share.

        Returns:
            False if there is no larger share: it had a whole GPU, or ran on the CPU.
        """
        if not 0 < had < 1:
            return False
        more = part(max(int(1 / had) // 2, 1))
        self._raised[_kind(config)] = max(self.of(config), more)
        return True


def _kind(config: TrialConfig) -> Kind:
    training = config.training
    return config.model, config.dataset, training.optimizer, training.precision, training.batch_size
