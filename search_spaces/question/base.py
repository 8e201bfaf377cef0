"""What a study asks about freezing rates. Accuracy alone would always select the lowest rate.

A question sets the density of every trial; a search space sets everything else. A question's class has all
that is particular to it: its sentence, its flags, the values for the sampler, the answer and its headline.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, get_args, get_origin

from cops_core.errors import InputError, as_share, parse_decimal, unknown
from cops_core.trainers import ACCURACY, Measure

DEFAULT_RATES = (Decimal("0.95"), Decimal("0.99"), Decimal("0.995"))


class Candidate(Protocol):
    """A configuration over its seeds, with the properties that answers use."""

    @property
    def number(self) -> int:
        """The proposal's number."""

    @property
    def status(self) -> str:
        """How its trials ended, e.g. `finished`."""

    @property
    def method(self) -> str:
        """Arm and scores, without levels."""

    @property
    def arm(self) -> str:
        """The treatment of the weights outside the mask; `dense` if there is no mask."""

    @property
    def rate(self) -> Decimal | None:
        """The freezing rate, in (0, 1); None where the rate is not an axis, and for the dense network."""

    @property
    def density(self) -> float:
        """The kept fraction, in (0, 1]."""

    @property
    def mean(self) -> float:
        """Validation accuracy in [0, 1], or value of its measure, mean over the seeds."""

    @property
    def quality(self) -> float:
        """The mean as a number of which more is better: of a measure to be minimised its negative."""

    @property
    def measure(self) -> Measure:
        """What the mean is one of: the validation accuracy, or what a trainer of one's own says."""

    @property
    def shown_mean(self) -> str:
        """The mean as text, without its interval."""

    @property
    def stored_bytes(self) -> float:
        """The size of its artefact in bytes; NaN if none was written."""

    @property
    def trained_parameters(self) -> int | None:
        """The number of trained values; None if unknown."""

    @property
    def detailed_method(self) -> str:
        """Arm and scores with their levels, without the rate."""

    @property
    def shown_accuracy(self) -> str:
        """The accuracy as text, with its interval and the number of seeds."""

    @property
    def shown_size(self) -> str:
        """The size as text, with its unit."""

    @property
    def judges(self) -> int | None:
        """The number of the configuration that it trains again on fresh seeds; None if it chooses."""

    @property
    def test_quality(self) -> float:
        """The mean on the test part, as a number of which more is better; NaN without one."""

    @property
    def shown_test(self) -> str:
        """The mean on the test part as text, with its interval and the number of seeds."""


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True)
class Answer(Generic[C]):
    """The configurations that answer a question.

    Attributes:
        headline: The answer in one sentence.
        title: What the configurations are.
        configurations: In the question's order.
        shows_bytes: Whether their stored size belongs to the answer.
    """

    headline: str
    title: str
    configurations: tuple[C, ...]
    shows_bytes: bool = False


class Question(ABC):
    """Which densities are tried, what the sampler optimizes, and which configurations answer the question.

    Each question is a frozen dataclass. Each field except `rates` is a flag of the command; the field's
    metadata has its help.

    Attributes:
        rates: The freezing rates, each in (0, 1). Each rate has its own baselines.
        name: The question's name in records and for `--objective`.
        summary: A short description for the command's help.
        axis: True: each rate has its own sampler history and early stopping. False: the density is one
            more searched parameter.
        strata: True: each method of the space has the same number of configurations at each rate, and what
            is chosen is judged on fresh seeds.
        directions: Of the sampler's values, see `values`.
    """

    rates: tuple[Decimal, ...]

    name: ClassVar[str]
    summary: ClassVar[str]
    axis: ClassVar[bool]
    strata: ClassVar[bool] = False
    directions: ClassVar[tuple[Literal["maximize", "minimize"], ...]]

    def __post_init__(self) -> None:
        """Refuse wrong rates.

        Raises:
            InputError: A rate outside (0, 1), a rate twice, or no rate.
        """
        for rate in self.rates:
            if not (rate.is_finite() and 0 < rate < 1):
                advice = as_share(rate) or ": write the fraction of frozen weights, e.g. 0.99"
                raise InputError(f"rate {rate} is not in (0, 1){advice}")
        if not self.rates or len(set(self.rates)) < len(self.rates):
            raise InputError("rates must be one or more different numbers: write e.g. 0.95,0.99,0.995")

    @property
    @abstractmethod
    def sentence(self) -> str:
        """The question in one sentence."""

    def about(self, measure: Measure) -> str:
        """The question in one sentence, for trials that are compared by this measure."""
        return self.sentence.replace(ACCURACY.words, measure.words)

    @abstractmethod
    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """The values that the sampler receives for a configuration.

        Args:
            accuracy: Validation accuracy in [0, 1], mean over the seeds; of another measure its
                `Measure.quality`.
            density: Fraction of kept weights, in (0, 1].
            stored_bytes: Size of the artefact in bytes.

        Returns:
            One value per direction.
        """

    @abstractmethod
    def answer(self, compared: Sequence[C]) -> Answer[C]:
        """The answer, from configurations whose accuracies can be compared, the dense one included."""

    def constraint(self, accuracy: float, dense_accuracy: float | None) -> float | None:
        """A constraint on a configuration, for the sampler.

        Args:
            accuracy: Validation accuracy in [0, 1]; of another measure its `Measure.quality`.
            dense_accuracy: The dense network's; None if unknown.

        Returns:
            A number that must be at most 0, or None without a constraint.
        """
        return None

    @property
    def needs_dense(self) -> bool:
        """Whether the dense trial must finish before any other trial starts."""
        return False

    def record(self) -> dict[str, Any]:
        """The question as JSON values; `parse` reads them."""
        rates = [str(rate) for rate in self.rates]
        return {"kind": self.name, "rates": rates, **{name: str(value) for name, value in self.own().items()}}

    def own(self) -> dict[str, Any]:
        """The values of the fields, except the rates."""
        return {name: getattr(self, name) for name in self.own_types()}

    @classmethod
    def own_types(cls) -> dict[str, Any]:
        """The types of the fields, except the rates: Decimal, int, str, or a Literal of words."""
        assert is_dataclass(cls)
        return {field.name: field.type for field in fields(cls) if field.name != "rates"}

    @classmethod
    def parse(cls, words: Mapping[str, str], rates: Sequence[Decimal] | None = None) -> Self:
        """The question from the text of its fields.

        Args:
            words: {field: text}, without the rates. Missing fields have their default.
            rates: Freezing rates in (0, 1); None or empty for the default.

        Returns:
            The question.

        Raises:
            InputError: A wrong value.
        """
        return cls(**cls._read(words, rates))

    def changed(self, words: Mapping[str, str], rates: Sequence[Decimal] | None = None) -> Self:
        """This question with other values of some fields; arguments and errors are those of `parse`."""
        return type(self)(**{**self.own(), "rates": self.rates, **self._read(words, rates)})

    @classmethod
    def _read(cls, words: Mapping[str, str], rates: Sequence[Decimal] | None) -> dict[str, Any]:
        types = cls.own_types()
        values: dict[str, Any] = {name: _read(name, types[name], text) for name, text in words.items()}
        return {**values, "rates": tuple(rates)} if rates else values

    def flags(self) -> list[str]:
        """The command-line arguments that select this question."""
        own = [
            word
            for name, value in self.own().items()
            if value != ""
            for word in (f"--{name.replace('_', '-')}", str(value))
        ]
        return ["--objective", self.name, *own, "--rates", ",".join(map(str, self.rates))]

    def __str__(self) -> str:
        """`smallest, keep 0.99, rates 0.95, 0.99`: equal for equal questions."""
        own = [f"{name.replace('_', ' ')} {value}" for name, value in self.own().items() if value != ""]
        return ", ".join([self.name, *own, f"rates {', '.join(map(str, self.rates))}"])


def _read(name: str, kind: Any, text: str) -> Any:
    """A field's value from its text: a number, any text, or one of a Literal's words."""
    flag = f"--{name.replace('_', '-')}"
    if kind is Decimal:
        return parse_decimal(flag, text)
    if kind is str:
        return text.strip()
    if kind is int:
        if not re.fullmatch(r"[0-9]+", text.strip()):
            raise InputError(f"{flag} {text!r} is not a whole number: write e.g. 3")
        return int(text)
    assert get_origin(kind) is Literal
    if text not in get_args(kind):
        raise InputError(unknown(name, text, get_args(kind)))
    return text


def measure_in(compared: Sequence[C]) -> Measure:
    """The measure of the configurations of a study; all have the same."""
    return compared[0].measure if compared else ACCURACY


def without_dense(compared: Sequence[C]) -> list[C]:
    """The configurations with a mask."""
    return [each for each in compared if each.method != "dense"]
