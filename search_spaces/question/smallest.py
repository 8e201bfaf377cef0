"""How few weights keep a given fraction of the dense network's accuracy?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from cops_core.errors import InputError, as_share
from search_spaces.question.base import DEFAULT_RATES, Answer, C, Question, without_dense

MAX_CONFIGURATIONS = 10  # configurations of an answer


@dataclass(frozen=True)
class Smallest(Question):
    """How few weights keep this fraction of the dense network's validation accuracy?

    Attributes:
        keep: The fraction to keep, in (0, 1].
        rates: The freezing rates of the baselines, each in (0, 1).
    """

    keep: Decimal = field(default=Decimal("0.99"), metadata={"help": "Fraction of the dense accuracy"})
    rates: tuple[Decimal, ...] = DEFAULT_RATES

    name = "smallest"
    summary = "fewest weights that keep --keep"
    axis = False
    directions = ("minimize",)

    def __post_init__(self) -> None:
        """Refuse wrong rates, and a fraction outside (0, 1].

        Raises:
            InputError: See above.
        """
        super().__post_init__()
        if not (self.keep.is_finite() and 0 < self.keep <= 1):
            advice = as_share(self.keep) or ": write the fraction to keep, e.g. 0.99"
            raise InputError(f"keep {self.keep} is not in (0, 1]{advice}")

    @property
    def sentence(self) -> str:
        """With the fraction."""
        return f"How few weights keep {float(self.keep):.1%} of the dense network's validation accuracy?"

    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """The density."""
        return (density,)

    def constraint(self, accuracy: float, dense_accuracy: float | None) -> float | None:
        """keep * dense_accuracy - accuracy, which must be at most 0; None without a dense accuracy.

        Of a measure to be minimised, keep * value - the dense network's: the value may be 1 / keep times as
        large.
        """
        if dense_accuracy is None:
            return None
        if accuracy < 0 or dense_accuracy < 0:  # the negatives of what is minimised
            return dense_accuracy - float(self.keep) * accuracy
        return float(self.keep) * dense_accuracy - accuracy

    @property
    def needs_dense(self) -> bool:
        """The constraint is relative to the dense trial."""
        return True

    def answer(self, compared: Sequence[C]) -> Answer[C]:
        """The configurations that keep the fraction, sparsest first; none before the dense one ends."""
        finished = [each for each in compared if each.status == "finished"]
        dense = next((each for each in finished if each.method == "dense"), None)
        if dense is None:
            return Answer("The dense network has not finished yet.", "", ())
        kept = [each for each in finished if (self.constraint(each.quality, dense.quality) or 0) <= 0]
        sparsest = tuple(sorted(kept, key=lambda each: each.density)[:MAX_CONFIGURATIONS])
        value = f"dense {dense.measure.noun} {dense.shown_mean}"
        title = f"fewest weights that keep {float(self.keep):.1%} of the {value}"
        return Answer(self._headline(sparsest), title, sparsest)

    def _headline(self, answered: Sequence[C]) -> str:
        sparse = without_dense(answered)
        if not sparse:
            return f"No configuration with a mask keeps {self._share}."
        least = sparse[0]
        trained = "" if least.trained_parameters is None else f" ({least.trained_parameters:,} parameters)"
        return (
            f"The fewest weights that keep {self._share}: a density of {least.density:.3g}{trained}, with"
            f" {least.detailed_method} at {least.shown_accuracy}."
        )

    @property
    def _share(self) -> str:
        return f"{float(self.keep):.1%} of the dense network's accuracy"
