"""What accuracy is to be had at which cost?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from search_spaces.question.base import DEFAULT_RATES, Answer, C, Candidate, Question, without_dense

Cost = Literal["density", "bytes"]


@dataclass(frozen=True)
class Pareto(Question):
    """What accuracy is to be had at which cost? Both together, the rate continuous.

    cost: the density, or the bytes of the trained network as it is stored.
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
        return f"What validation accuracy is to be had at which {self.cost}?"

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """Validation accuracy and cost."""
        return (accuracy, stored_bytes if self.cost == "bytes" else density)

    def answer(self, compared: Sequence[C]) -> Answer[C]:
        """The front of accuracy and cost."""
        front = pareto_front(compared, self.cost)
        title = f"no trial beats these in both accuracy and {self.cost}"
        return Answer(self._headline(front), title, tuple(front), shows_bytes=self.cost == "bytes")

    def _headline(self, answered: Sequence[C]) -> str:
        front = without_dense(answered)
        if not front:
            return "The dense network alone stands on the front."
        first, last = front[0], front[-1]
        ends = _point(first) if first is last else f"from {_point(last)} to {_point(first)}"
        kind = "configuration stands" if len(front) == 1 else "configurations stand"
        return f"{len(front)} {kind} on the front of accuracy and {self.cost}, {ends}."


def cost_of(each: Candidate, cost: Cost) -> float:
    """What is weighed against accuracy."""
    return each.density if cost == "density" else each.stored_bytes


def pareto_front(compared: Sequence[C], cost: Cost = "density") -> list[C]:
    """Those that no other beats in both mean accuracy and cost, the costliest first."""
    known = [each for each in compared if not math.isnan(cost_of(each, cost))]
    front: list[C] = []
    for each in sorted(known, key=lambda each: (cost_of(each, cost), -each.mean)):
        if not front or each.mean > front[-1].mean:
            front.append(each)
    return front[::-1]


def _point(each: Candidate) -> str:
    return f"{each.shown_accuracy} at a density of {each.density:.3g} ({each.shown_size})"
