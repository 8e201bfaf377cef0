"""Which property of a finished trial's mask carries its result?"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from search_spaces.question.base import Answer, C, Question, measure_in


@dataclass(frozen=True)
class Ablate(Question):
    """Which property of a finished trial's mask carries its result?

    The trial and its ablations (`cops_core.ablation`) are trained on the same fresh seeds and evaluated on
    the test part. Nothing is searched.

    Attributes:
        rates: The trial's freezing rate, in (0, 1).
        trial: The trial: `STUDY/NUMBER`.
    """

    rates: tuple[Decimal, ...]
    trial: str

    name = "ablate"
    summary = "what carries the result of a finished trial"
    axis = True
    directions = ("maximize",)

    @property
    def sentence(self) -> str:
        """With the trial."""
        return (
            f"What carries the result of trial {self.trial}: the places of its mask, its layer densities, the"
            " ranking by its scores, or its initial values?"
        )

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """The validation accuracy; there is no sampler that receives it."""
        return (accuracy,)

    def answer(self, compared: Sequence[C]) -> Answer[C]:
        """The trial and its ablations, in their order."""
        shown = "; ".join(f"{each.detailed_method} {each.shown_test}" for each in compared)
        title = f"trial {self.trial} and its ablations, by {measure_in(compared).words}"
        return Answer(f"Test {measure_in(compared).noun}: {shown}.", title, tuple(compared))
