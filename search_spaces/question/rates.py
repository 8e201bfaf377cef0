"""Which method is best at each of these freezing rates?"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from search_spaces.question.base import DEFAULT_RATES, Answer, C, Question, measure_in


@dataclass(frozen=True)
class Rates(Question):
    """Which method is best at each of these freezing rates? Methods are compared within a rate.

    Attributes:
        rates: The freezing rates, each in (0, 1).
    """

    rates: tuple[Decimal, ...] = DEFAULT_RATES

    name = "rates"
    summary = "the best method at each of --rates"
    axis = True
    directions = ("maximize",)

    @property
    def sentence(self) -> str:
        """With the rates."""
        rates = ", ".join(map(str, self.rates))
        return f"Which method has the best validation accuracy at the freezing rates {rates}?"

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """The validation accuracy."""
        return (accuracy,)

    def flags(self) -> list[str]:
        """Only `--rates`, which selects this question."""
        return ["--rates", ",".join(map(str, self.rates))]

    def answer(self, compared: Sequence[C]) -> Answer[C]:
        """The best of each method at each rate. The headline is for the highest, which separates them."""
        title = f"best of each method by {measure_in(compared).words}, within each rate"
        return Answer(_headline(compared), title, tuple(best_per_method(compared)))


def best_per_method(compared: Sequence[C]) -> list[C]:
    """The best of each method at each rate by mean accuracy; of equal ones the first.

    Args:
        compared: Configurations whose accuracies can be compared.

    Returns:
        Sorted by rate, then the best first. Where the rate is not an axis: the best of each method.
    """
    best: dict[tuple[float, str], C] = {}
    for each in compared:
        group = (-1.0 if each.rate is None else float(each.rate), each.method)
        if group not in best or each.quality > best[group].quality:
            best[group] = each
    return [best[key] for key in sorted(best, key=lambda key: (key[0], -best[key].quality))]


def _headline(compared: Sequence[C]) -> str:
    """The best of each arm at the highest rate."""
    rates = [each.rate for each in compared if each.rate is not None]
    if not rates:
        return "No configuration with a mask has finished yet."
    rate = max(rates)
    best: dict[str, C] = {}
    for each in best_per_method([each for each in compared if each.rate == rate]):
        best.setdefault(each.arm, each)
    ranked = sorted(best.values(), key=lambda each: -each.quality)
    others = "".join(f", {each.detailed_method} {each.shown_accuracy}" for each in ranked[1:])
    return (
        f"At a freezing rate of {rate}, {ranked[0].detailed_method} reaches a {ranked[0].measure.words} of"
        f" {ranked[0].shown_accuracy}{others}."
    )
