"""The price of control: how much the target loses while a control gains, from level 0 to level 1."""

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
    """The trade-off of one target and one control at P levels.

    Attributes:
        levels: Relative, from 0 (the target's own mask) to 1 (the control's own mask), shape (P,).
        targets: <m, omega_0> of the mask at each level, shape (P,).
        controls: <m, omega_1> of the mask at each level, shape (P,).
        multipliers: lambda, the cost of one unit of the raw control in units of the raw target, shape (P,).
        statuses: The status of each solution.
        chance: kappa times the mean of the target: the average for random masks.
    """

    levels: Floats
    targets: Floats
    controls: Floats
    multipliers: Floats
    statuses: tuple[SolverStatus, ...]
    chance: float

    @property
    def target_kept(self) -> Floats:
        """The target relative to its range, shape (P,): 1 at level 0, 0 at level 1. NaN without a range."""
        return _within(self.targets, self.targets[-1], self.targets[0])

    @property
    def control_kept(self) -> Floats:
        """The control relative to its range, shape (P,): 0 at level 0, 1 at level 1. NaN without a range.

        It is at least the level: weights that cost the target nothing are chosen by the control.
        """
        return _within(self.controls, self.controls[0], self.controls[-1])

    @property
    def relative_multipliers(self) -> Floats:
        """-d target_kept / d control_kept, the slope of the price, shape (P,): below 1, control is cheap.

        NaN if one of the two has no range.
        """
        control = _span(self.controls[0], self.controls[-1])
        target = _span(self.targets[-1], self.targets[0])
        return self.multipliers * (control / target)

    @property
    def target_above_chance(self) -> Floats:
        """The kept target, shape (P,): 1 is its own mask, 0 a random one (see `KeptScores.above_chance`)."""
        return above_chance(self.targets, float(self.targets[0]), self.chance)


def price_of_control(target: Floats, control: Floats, kappa: int, levels: Sequence[float] = LEVELS) -> Price:
    """Solve COPS for one target and one control at several levels, with common passes over the data.

    Args:
        target: Shape (D,), finite.
        control: Shape (D,), finite.
        kappa: The number of kept weights, in [0, D].
        levels: Ascending from 0 to 1.

    Returns:
        The trade-off.
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
    """high - low; NaN if this is a rounding error."""
    span = high - low
    return float(span) if span > ROUNDING * (abs(low) + abs(high)) else np.nan


def _within(values: Floats, low: float, high: float) -> Floats:
    return (values - low) / _span(low, high)
