"""The price of control: what the target loses while a control gains, from level 0 to level 1."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cops_core.compare.masks import ROUNDING, above_chance
from cops_core.cops import cops_path
from cops_core.cops.solution import SolverStatus

Floats = npt.NDArray[np.float64]

LEVELS = tuple(step / 10 for step in range(11))


@dataclass(frozen=True, eq=False)
class Price:
    """The trade-off of one target and one control at P levels. All arrays of shape (P,).

    levels: relative, from 0 (the target's own mask) to 1 (the control's own mask).
    targets, controls: <m, omega_0> and <m, omega_1> of the mask chosen at each level.
    multipliers: lambda, what one unit of the raw control costs in units of the raw target.
    chance: kappa times the mean of the target, what a random mask keeps of it on average.
    """

    levels: Floats
    targets: Floats
    controls: Floats
    multipliers: Floats
    statuses: tuple[SolverStatus, ...]
    chance: float

    @property
    def target_kept(self) -> Floats:
        """Within the target's range: 1 at level 0, 0 at level 1. NaN where it has no range."""
        return _within(self.targets, self.targets[-1], self.targets[0])

    @property
    def control_kept(self) -> Floats:
        """Within the control's range: 0 at level 0, 1 at level 1. NaN where it has no range.

        At least the level: weights that cost the target nothing are given to the control.
        """
        return _within(self.controls, self.controls[0], self.controls[-1])

    @property
    def relative_multipliers(self) -> Floats:
        """-d target_kept / d control_kept, the slope of the price: below 1 control is cheap.

        NaN where one of the two has no range.
        """
        control = _span(self.controls[0], self.controls[-1])
        target = _span(self.targets[-1], self.targets[0])
        return self.multipliers * (control / target)

    @property
    def target_above_chance(self) -> Floats:
        """What is kept of the target: 1 is its own mask, 0 a random one (see `KeptScores.above_chance`)."""
        return above_chance(self.targets, float(self.targets[0]), self.chance)


def price_of_control(target: Floats, control: Floats, kappa: int, levels: Sequence[float] = LEVELS) -> Price:
    """Solve COPS for one target and one control at each of `levels`, all with the same passes.

    target, control: shape (D,), finite; kappa: in [0, D]; levels: ascending from 0 to 1.
    """
    path = cops_path(target, [control], kappa, levels)
    return Price(
        levels=path.grid[:, 0],
        targets=path.values,
        controls=path.controls[:, 0],
        multipliers=path.multipliers[:, 0],
        statuses=path.statuses,
        chance=float(kappa * target.mean()),
    )


def _span(low: float, high: float) -> float:
    """high - low; NaN where that is rounding."""
    span = high - low
    return float(span) if span > ROUNDING * (abs(low) + abs(high)) else np.nan


def _within(values: Floats, low: float, high: float) -> Floats:
    return (values - low) / _span(low, high)
