"""What a study asks about freezing rates. Accuracy alone would always choose the lowest one.

A question decides the density of every trial; a search space decides everything else.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from optuna.trial import BaseTrial

from cops_core.errors import InputError, as_share

DEFAULT_RATES = (Decimal("0.95"), Decimal("0.99"), Decimal("0.995"))
Cost = Literal["density", "bytes"]
LOWEST_DENSITY, HIGHEST_DENSITY = 0.0005, 0.5


class Question(ABC):
    """Which densities are tried, and what the sampler is told to improve.

    rates: the freezing rates, each with anchors of its own. `axis` says that each rate also has its
    own sampler history and early stopping; otherwise the density is one more searched parameter.
    """

    rates: tuple[Decimal, ...]
    axis: bool
    directions: tuple[Literal["maximize", "minimize"], ...]

    @abstractmethod
    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """What the sampler is told about a configuration, one value per direction."""

    def constraint(self, accuracy: float, dense_accuracy: float | None) -> float | None:
        """A number that must not be positive, or None where anything goes."""
        return None

    @property
    def needs_dense(self) -> bool:
        """Whether the dense trial must have finished before anything else starts."""
        return False


@dataclass(frozen=True)
class Rates(Question):
    """Which method is best at each of these freezing rates? Methods are compared within a rate."""

    rates: tuple[Decimal, ...] = DEFAULT_RATES
    axis = True
    directions = ("maximize",)

    def __post_init__(self) -> None:
        _check_rates(self.rates)

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """The validation accuracy."""
        return (accuracy,)


@dataclass(frozen=True)
class Pareto(Question):
    """What accuracy is to be had at which cost? Both together, the rate continuous.

    cost: the density, or the bytes of the trained network as it is stored.
    """

    rates: tuple[Decimal, ...] = DEFAULT_RATES
    cost: Cost = "density"
    axis = False
    directions = ("maximize", "minimize")

    def __post_init__(self) -> None:
        _check_rates(self.rates)

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """Validation accuracy and cost."""
        return (accuracy, stored_bytes if self.cost == "bytes" else density)


@dataclass(frozen=True)
class Smallest(Question):
    """How few weights keep this share of the dense network's validation accuracy?

    keep: the share, in (0, 1].
    """

    keep: Decimal = Decimal("0.99")
    rates: tuple[Decimal, ...] = DEFAULT_RATES
    axis = False
    directions = ("minimize",)

    def __post_init__(self) -> None:
        _check_rates(self.rates)
        if not (self.keep.is_finite() and 0 < self.keep <= 1):
            advice = as_share(self.keep) or ": write the share to keep, e.g. 0.99"
            raise InputError(f"keep {self.keep} is not in (0, 1]{advice}")

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """The density."""
        return (density,)

    def constraint(self, accuracy: float, dense_accuracy: float | None) -> float | None:
        """keep * dense - accuracy, which must be at most 0; None while there is no dense accuracy."""
        return None if dense_accuracy is None else float(self.keep) * dense_accuracy - accuracy

    @property
    def needs_dense(self) -> bool:
        """The constraint is relative to the dense trial."""
        return True


def _check_rates(rates: tuple[Decimal, ...]) -> None:
    for rate in rates:
        if not (rate.is_finite() and 0 < rate < 1):
            advice = as_share(rate) or ": write the frozen share, e.g. 0.99"
            raise InputError(f"rate {rate} is not in (0, 1){advice}")
    if not rates or len(set(rates)) < len(rates):
        raise InputError("the rates must be one or more different numbers, e.g. 0.95,0.99,0.995")


def suggest_density(trial: BaseTrial) -> Decimal:
    """A density between 0.0005 and 0.5, log-uniform, with four significant digits."""
    density = trial.suggest_float("density", LOWEST_DENSITY, HIGHEST_DENSITY, log=True)
    return Decimal(f"{density:.4g}")
