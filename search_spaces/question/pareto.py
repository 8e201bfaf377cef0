"""Which validation accuracy is possible at which cost?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from search_spaces.question.base import (
    DEFAULT_RATES,
    Answer,
    C,
    Candidate,
    Question,
    measure_in,
    without_dense,
)

Cost = Literal["density", "bytes"]


@dataclass(frozen=True)
class Pareto(Question):
    """Which validation accuracy is possible at which cost? Two objectives; the rate is continuous.

    Attributes:
        rates: The freezing rates of the baselines, each in (0, 1).
        cost: The density, or the bytes of the trained network as stored.
    """

    rates: tuple[Decimal, ...] = DEFAULT_RATES
    cost: Cost = field(default="density", metadata={"help": "Density, or bytes as stored"})

    name = "pareto"
    summary = "accuracy and --cost together"
    axis = False
    directions = ("maximize", "minimize")

    @property
    def sentence(self) -> str:
        """With the cost."""
        return f"Which validation accuracy is possible at which {self.cost}?"

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """Validation accuracy and cost."""
        return (accuracy, stored_bytes if self.cost == "bytes" else density)

    def answer(self, compared: Sequence[C]) -> Answer[C]:
        """The front of accuracy and cost."""
        front = pareto_front(compared, self.cost)
        title = f"no trial beats these in both {measure_in(compared).noun} and {self.cost}"
        return Answer(self._headline(front), title, tuple(front), shows_bytes=self.cost == "bytes")

    def _headline(self, answered: Sequence[C]) -> str:
        front = without_dense(answered)
        if not front:
            return "Only the dense network is on the front."
        first, last = front[0], front[-1]
        ends = _point(first) if first is last else f"from {_point(last)} to {_point(first)}"
        kind = "configuration is" if len(front) == 1 else "configurations are"
        return f"{len(front)} {kind} on the front of {measure_in(front).noun} and {self.cost}, {ends}."


def cost_of(each: Candidate, cost: Cost) -> float:
    """The cost of a configuration.

    Args:
        each: The configuration.
        cost: Which cost.

    Returns:
        The density in (0, 1], or the stored bytes (NaN if no artefact was written).
    """
    return each.density if cost == "density" else each.stored_bytes


def pareto_front(compared: Sequence[C], cost: Cost = "density") -> list[C]:
    """The configurations that no other one dominates in mean accuracy and cost.

    Args:
        compared: Configurations whose accuracies can be compared.
        cost: The density, or the stored bytes; a configuration with unknown bytes is left out.

    Returns:
        The front, the highest cost first.
    """
    known = [each for each in compared if not math.isnan(cost_of(each, cost))]
    front: list[C] = []
    for each in sorted(known, key=lambda each: (cost_of(each, cost), -each.quality)):
        if not front or each.quality > front[-1].quality:
            front.append(each)
    return front[::-1]


def _point(each: Candidate) -> str:
    return f"{each.shown_accuracy} at a density of {each.density:.3g} ({each.shown_size})"
