"""Which method is better at each of these freezing rates, with the same budget for all?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from cops_core.errors import InputError
from search_spaces.question.base import DEFAULT_RATES, Answer, C, Question, measure_in
from search_spaces.question.rates import best_per_method

MAX_SEEDS = 1000


@dataclass(frozen=True)
class Compare(Question):
    """Which method is better at each of these freezing rates?

    Every method has the same number of configurations at each rate, a sampler history and early stopping of
    its own, and the same seeds. Validation chooses one configuration of each; it is trained again on fresh
    seeds, and these networks are evaluated on the test part, once.

    Attributes:
        rates: The freezing rates, each in (0, 1).
        choosing_seeds: The seeds of each configuration from which validation chooses, at least 1.
        judging_seeds: The fresh seeds of each chosen configuration, at least 2.
        baseline: The method to which the others are compared; empty for the space's first baseline with a
            mask, or its first method.
    """

    rates: tuple[Decimal, ...] = DEFAULT_RATES
    choosing_seeds: int = field(default=1, metadata={"help": "Seeds on which validation chooses"})
    judging_seeds: int = field(default=10, metadata={"help": "Fresh seeds of what was chosen, for the test"})
    baseline: str = field(
        default="",
        metadata={"help": "The method that the others are compared with", "default": "the first with a mask"},
    )

    name = "compare"
    summary = "which method is better, each with --per-method configurations at each of --rates"
    axis = True
    strata = True
    directions = ("maximize",)

    def __post_init__(self) -> None:
        """Refuse wrong rates and numbers of seeds.

        Raises:
            InputError: See above.
        """
        super().__post_init__()
        for name, least in (("choosing_seeds", 1), ("judging_seeds", 2)):
            if not least <= getattr(self, name) <= MAX_SEEDS:
                flag = name.replace("_", "-")
                raise InputError(
                    f"--{flag} {getattr(self, name)} is not between {least} and {MAX_SEEDS}: write e.g."
                    f" {type(self).__dataclass_fields__[name].default}"
                )

    @property
    def sentence(self) -> str:
        """With the rates."""
        rates = ", ".join(map(str, self.rates))
        return f"Which method is better, with equal budgets, at the freezing rates {rates}?"

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """The validation accuracy."""
        return (accuracy,)

    def answer(self, compared: Sequence[C]) -> Answer[C]:
        """The judged configuration of each method at each rate; before that the best on validation."""
        judged = [each for each in compared if each.judges is not None]
        if judged:
            ranked = sorted(judged, key=lambda each: (float(each.rate or -1), -each.test_quality))
            title = f"chosen on validation, then {self.judging_seeds} fresh seeds on test"
            return Answer(_headline(ranked), title, tuple(ranked))
        best = best_per_method(compared)
        title = f"best of each method by {measure_in(compared).words} so far; nothing is judged yet"
        return Answer("Nothing is judged yet.", title, tuple(best))


def _headline(judged: Sequence[C]) -> str:
    """The methods at the highest rate, which separates them."""
    sparse = [each for each in judged if each.rate is not None]
    if not sparse:
        return "Only the dense network is judged."
    rate = max(each.rate for each in sparse if each.rate is not None)
    first, *others = [each for each in sparse if each.rate == rate]
    more = "".join(f", {each.method} {each.shown_test}" for each in others[:3])
    further = f", and {len(others) - 3} more below" if len(others) > 3 else ""
    return (
        f"At a freezing rate of {rate}, {first.method} has a test accuracy of {first.shown_test}"
        f"{more}{further}."
    )
