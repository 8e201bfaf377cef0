"""The arms: what becomes of the weights outside the mask, theta = scale theta0 (1 - m) + scatter(m, v)."""

from collections.abc import Mapping
from dataclasses import dataclass

from cops_core.config import Arm, TrialConfig


@dataclass(frozen=True)
class Scale:
    """The factor of theta0 outside the mask.

    start: at the beginning, in [0, 1]. decays: it then follows the updates that SGD makes to a
    parameter without a gradient of its own, by weight decay alone (FreezeNet-WD).
    """

    start: float
    decays: bool = False


# The arm "scale" names its own constant; the dense arm has no mask.
SCALES: Mapping[Arm, Scale] = {
    "dense": Scale(1.0),
    "prune": Scale(0.0),
    "freeze": Scale(1.0),
    "freeze_wd": Scale(1.0, decays=True),
}


def scale_of(config: TrialConfig) -> Scale:
    """What a trial does with the weights outside its mask."""
    return Scale(config.scale) if config.scale is not None else SCALES[config.arm]
