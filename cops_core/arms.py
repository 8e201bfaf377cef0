"""The arms: the values of the weights outside the mask, theta = scale theta0 (1 - m) + scatter(m, v)."""

from collections.abc import Mapping
from dataclasses import dataclass

from cops_core.config import Arm, TrialConfig


@dataclass(frozen=True)
class Scale:
    """The factor of theta0 outside the mask.

    Attributes:
        start: The factor at the start, in [0, 1].
        decays: Whether SGD then updates the factor like a parameter with a zero gradient, by weight decay
            only (FreezeNet-WD).
    """

    start: float
    decays: bool = False


# The arm "scale" has a constant of its own; the dense arm has no mask.
SCALES: Mapping[Arm, Scale] = {
    "dense": Scale(1.0),
    "prune": Scale(0.0),
    "freeze": Scale(1.0),
    "freeze_wd": Scale(1.0, decays=True),
}


def scale_of(config: TrialConfig) -> Scale:
    """The scale of a trial's weights outside its mask."""
    return Scale(config.scale) if config.scale is not None else SCALES[config.arm]
