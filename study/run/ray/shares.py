"""How much of a GPU each trial gets, and gets when that was too little."""

import math

from cops_core.config import TrialConfig

# What decides how much memory a trial needs.
Kind = tuple[str, str, str, int]


def spread(share: float, trials: int, gpus: float) -> float:
    """The share of each trial so that no GPU idles while another is shared.

    share: what a trial needs at least, in (0, 1]. trials: how many there are to run at once. Ray fills one
    GPU before it takes the next: as long as GPUs are not outnumbered, each trial gets a whole one.
    """
    at_once = min(int(1 / share + 1e-9), max(1, math.ceil(trials / max(gpus, 1))))
    return part(at_once)


def part(trials: int) -> float:
    """The share of a GPU that `trials` have in common, rounded down to what Ray counts in."""
    return math.floor(10_000 / trials) / 10_000


class Shares:
    """The share of a GPU for each trial: the usual one, or more for networks that ran out of memory.

    usual: GPUs for a trial, 0 on the CPU.
    """

    def __init__(self, usual: float) -> None:
        self.usual = usual
        self._raised: dict[Kind, float] = {}

    def of(self, config: TrialConfig) -> float:
        """The share for this trial."""
        return self._raised.get(_kind(config), self.usual)

    def raise_for(self, config: TrialConfig, had: float) -> bool:
        """After out of memory with the share `had`: more for it and its kind; False if that cannot be.

        Half as many trials share its GPU then. With a GPU of its own, or on the CPU, there is no more.
        """
        if not 0 < had < 1:
            return False
        more = part(max(int(1 / had) // 2, 1))
        self._raised[_kind(config)] = max(self.of(config), more)
        return True


def _kind(config: TrialConfig) -> Kind:
    training = config.training
    return config.model, config.dataset, training.precision, training.batch_size
