"""Groups of weights with a common budget: all of them, or those of each layer; their floors and schedules."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Context, Decimal
from itertools import accumulate

from cops_core.config import Floor, Schedule, Selection
from cops_core.densities import PROPORTIONS, layer_budgets
from cops_core.errors import InputError
from cops_core.floors import Floors, joined, layer_floors
from cops_core.mask import kept_weights
from cops_core.scoring import Scorer


def _exponential(size: int, density: float, kappa: int, share: float) -> float:
    """D rho^(k/n)."""
    return float(size * density**share)


def _linear(size: int, density: float, kappa: int, share: float) -> float:
    """D - (D - kappa) k/n."""
    return size - (size - kappa) * share


PRUNING_SCHEDULES: Mapping[Schedule, Callable[[int, float, int, float], float]] = {
    "exponential": _exponential,
    "linear": _linear,
}


@dataclass(frozen=True, eq=False)
class Group:
    """Weights with a common budget: all of them, or those of one layer.

    Attributes:
        places: The group's positions in the vector of all D weights.
        kappa: The number of kept weights after the last round.
        density: rho, the kept fraction after the last round, in [0, 1].
        floors: How many weights each of its layers or output units keeps at least, in each round, or None.
    """

    places: slice
    kappa: int
    density: float
    floors: Floors | None = None

    def budget(self, round_: int, rounds: int, schedule: Schedule = "exponential") -> int:
        """The number of kept weights after a round.

        Args:
            round_: The round, in [1, rounds].
            rounds: The number of rounds.
            schedule: A key of `PRUNING_SCHEDULES`.

        Returns:
            A number in [kappa, size of the group].
        """
        if round_ == rounds:
            return self.kappa
        size: int = self.places.stop - self.places.start
        exact = PRUNING_SCHEDULES[schedule](size, self.density, self.kappa, round_ / rounds)
        return max(self.kappa, math.floor(exact + 0.5))


def groups_of(scorer: Scorer, selection: Selection, density: Decimal) -> dict[str, Group]:
    """The weights with a common budget.

    Args:
        scorer: Has the network and its maskable weights.
        selection: Its scope is "global", or a key of `cops_core.densities.PROPORTIONS`.
        density: The kept fraction, in (0, 1].

    Returns:
        The groups by name, `global` or each layer, which cover all D weights in order.

    Raises:
        InputError: The floors need more weights than are kept.
    """
    weights = scorer.prunable
    total = sum(weight.numel() for weight in weights.values())
    kappa = kept_weights(density, total)
    floors = None
    if selection.floor is not None:
        floors = layer_floors(selection.floor, scorer.model, weights)
        check_floors(selection.floor, floors.values(), density)
    if selection.scope == "global":
        together = None if floors is None else joined(list(floors.values()))
        return {"global": Group(slice(0, total), kappa, float(density), together)}
    least = None if floors is None else {name: each.total for name, each in floors.items()}
    shapes = {name: weight.shape for name, weight in weights.items()}
    budgets = layer_budgets(density, shapes, PROPORTIONS[selection.scope], least)
    stops = accumulate(weight.numel() for weight in weights.values())
    return {
        name: Group(
            places=slice(stop - weights[name].numel(), stop),
            kappa=budget,
            density=budget / weights[name].numel(),
            floors=None if floors is None else floors[name],
        )
        for stop, (name, budget) in zip(stops, budgets.items(), strict=True)
    }


def check_floors(floor: Floor, layers: Iterable[Floors], density: Decimal) -> None:
    """Check that a density keeps as many weights as the floors need.

    Args:
        floor: What is asked for.
        layers: The floors of each layer.
        density: The kept fraction of all weights, in (0, 1].

    Raises:
        InputError: It keeps fewer.
    """
    floors = list(layers)
    total = sum(each.owners.size for each in floors)
    kappa, needed = kept_weights(density, total), sum(each.total for each in floors)
    if needed <= kappa:
        return
    units = sum(int((each.least > 0).sum()) for each in floors)
    whose = "layers" if floor.per == "layer" else "output units"
    enough = Context(prec=2, rounding=ROUND_UP).divide(Decimal(needed), Decimal(total))
    advice = f"a density of at least {enough}"
    if floor.count > 1 and units <= kappa:
        advice = f"count={kappa // units}, or {advice}"
    elif floor.per == "unit":
        advice = f'per="layer", or {advice}'
    raise InputError(
        f"floor: {floor.count} for each of {units:,} {whose} needs {needed:,} weights, and density {density}"
        f" keeps {kappa:,} of {total:,}: write {advice}"
    )
