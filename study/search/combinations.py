"""Every combination of a space's choices, and where a number of a range lies in its middle."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, final

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

from cops_core.config import TrialConfig
from study.search.errors import PrunedDrawError

# A whole number, or one with steps, is a choice if it has at most so many values; else it is a number.
MOST_VALUES = 32
# Studies of a larger space need names for its methods.
MOST_COMBINATIONS = 1000
MIDDLE = 0.5
DIGITS = 4  # of a number in the middle of a range: records are read by people


@dataclass(frozen=True)
class Combination:
    """One combination of a space's choices.

    Attributes:
        parameters: The choices by name, in the order in which the space asks for them; no numbers.
        config: The space's configuration, with each number at the same place of its range.
        numbers: The names of the numbers.
    """

    parameters: Mapping[str, Any]
    config: TrialConfig
    numbers: tuple[str, ...]


def combinations(
    sample: Callable[[Trial], TrialConfig],
    fixed: Mapping[str, Any] | None = None,
    place: float = MIDDLE,
) -> list[Combination] | None:
    """Every combination of choices, in order: later parameters change first.

    Args:
        sample: Returns the checked configuration of a draw.
        fixed: Parameters that have one value only.
        place: Where each number lies in its range, in [0, 1].

    Returns:
        The combinations, without those that the space prunes; None if there are more than
        `MOST_COMBINATIONS`.

    Raises:
        InputError: The space fails.
    """
    walk = _Walk(place)
    study = optuna.create_study(sampler=walk)
    found: list[Combination] = []
    for _ in range(MOST_COMBINATIONS):
        if fixed:
            study.enqueue_trial(dict(fixed))
        trial = study.ask()
        try:
            config = sample(trial)
        except PrunedDrawError:
            pass
        else:
            numbers = tuple(name for name, kind in trial.distributions.items() if values(kind) is None)
            choices = {name: value for name, value in trial.params.items() if name not in numbers}
            found.append(Combination(choices, config, numbers))
        if not walk.advance():
            return found
    return None


def values(kind: BaseDistribution) -> Sequence[Any] | None:
    """The values of a parameter that is a choice; None for a number of a range.

    Args:
        kind: The parameter's distribution.
    """
    if isinstance(kind, CategoricalDistribution):
        return kind.choices
    assert isinstance(kind, IntDistribution | FloatDistribution)
    if kind.single():
        return (kind.low,)
    if kind.step is None or (isinstance(kind, IntDistribution) and kind.log):
        return None
    count = round((kind.high - kind.low) / kind.step) + 1
    return None if count > MOST_VALUES else [_step(kind, index) for index in range(count)]


def between(kind: BaseDistribution, place: float = MIDDLE) -> Any:
    """The value at a place of a parameter's range: of a log-uniform one in the logarithm.

    Args:
        kind: The parameter's distribution.
        place: In [0, 1]; 0.5 is the middle.

    Returns:
        The value; of a choice the first.
    """
    if isinstance(kind, CategoricalDistribution):
        return kind.choices[0]
    assert isinstance(kind, IntDistribution | FloatDistribution)
    low, high = float(kind.low), float(kind.high)
    if kind.log:
        value = math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
    else:
        value = low + place * (high - low)
    value = min(max(float(f"{value:.{DIGITS}g}"), low), high)
    if kind.step is not None:
        value = _step(kind, round((value - low) / kind.step))
    return round(value) if isinstance(kind, IntDistribution) else value


def _step(kind: IntDistribution | FloatDistribution, index: int) -> float:
    """A value of a range with steps, as it is written: 0.2 + 2 * 0.2 is 0.6."""
    if isinstance(kind, IntDistribution):
        return kind.low + index * kind.step
    assert kind.step is not None
    return float(Decimal(str(kind.low)) + index * Decimal(str(kind.step)))


class _Independent(BaseSampler):
    """A sampler that draws each parameter by itself."""

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """No parameters are drawn jointly."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """No parameters are drawn jointly."""
        return {}


@final
class MiddleSampler(_Independent):
    """Gives the middle of each range, and the first of each choice."""

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The middle, or the first choice."""
        return between(param_distribution)


@final
class _Walk(_Independent):
    """Gives one combination of choices after the other; numbers are always at one place of their range.

    Args:
        place: That place, in [0, 1].
    """

    def __init__(self, place: float) -> None:
        self._place = place
        self._path: list[tuple[int, int]] = []  # of each choice so far: which value, of how many
        self._depth = 0

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """The value of this combination."""
        choices = values(param_distribution)
        if choices is None:
            return between(param_distribution, self._place)
        if self._depth == len(self._path):
            self._path.append((0, len(choices)))
        index, _ = self._path[self._depth]
        self._depth += 1
        return choices[index]

    def advance(self) -> bool:
        """Go on to the next combination; returns whether there is one."""
        del self._path[self._depth :]
        self._depth = 0
        while self._path and self._path[-1][0] + 1 == self._path[-1][1]:
            self._path.pop()
        if not self._path:
            return False
        index, count = self._path[-1]
        self._path[-1] = (index + 1, count)
        return True
