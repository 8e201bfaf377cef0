"""What a study asks about freezing rates. Accuracy alone would always choose the lowest one.

A question decides the density of every trial; a search space decides everything else. All that is
particular to a question stands in its class: its sentence, its flags, what the sampler learns, the
answer and the headline.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar, get_args, get_origin

from cops_core.errors import InputError, as_share, parse_decimal, unknown

DEFAULT_RATES = (Decimal("0.95"), Decimal("0.99"), Decimal("0.995"))


class Candidate(Protocol):
    """A configuration over its seeds, as far as an answer depends on it."""

    @property
    def number(self) -> int:
        """The proposal's number."""

    @property
    def status(self) -> str:
        """How its trials ended, in a word."""

    @property
    def method(self) -> str:
        """Arm and scores, without levels."""

    @property
    def arm(self) -> str:
        """What becomes of the weights outside the mask; `dense` without one."""

    @property
    def rate(self) -> Decimal | None:
        """The freezing rate, where that is an axis."""

    @property
    def density(self) -> float:
        """The kept fraction, in (0, 1]."""

    @property
    def mean(self) -> float:
        """Validation accuracy in [0, 1], mean over the seeds."""

    @property
    def stored_bytes(self) -> float:
        """The size of its artefact; NaN where none was written."""

    @property
    def trained_parameters(self) -> int | None:
        """How many values are trained; None where that is not known."""

    @property
    def detailed_method(self) -> str:
        """Arm and scores with their levels, without the rate."""

    @property
    def shown_accuracy(self) -> str:
        """The accuracy for a person, with interval and seeds."""

    @property
    def shown_size(self) -> str:
        """The size for a person, with its unit."""


C = TypeVar("C", bound=Candidate)


@dataclass(frozen=True)
class Answer(Generic[C]):
    """The configurations that answer a question, in order.

    headline: the answer in a sentence. title: what the configurations are. shows_bytes: whether their
    stored size belongs to the answer.
    """

    headline: str
    title: str
    configurations: tuple[C, ...]
    shows_bytes: bool = False


class Question(ABC):
    """Which densities are tried, what the sampler is to improve, and what answers the question.

    Each question is a frozen dataclass.

    rates: the freezing rates, each in (0, 1), with anchors of its own. name: of the question in records
    and for `--objective`. summary: the same in the help of a command. axis: each rate has its own sampler
    history and early stopping; otherwise the density is one more searched parameter. Every further field
    is a flag of the command, whose help stands in the field's metadata.
    """

    rates: tuple[Decimal, ...]

    name: ClassVar[str]
    summary: ClassVar[str]
    axis: ClassVar[bool]
    directions: ClassVar[tuple[Literal["maximize", "minimize"], ...]]

    def __post_init__(self) -> None:
        """Refuses rates that are none."""
        for rate in self.rates:
            if not (rate.is_finite() and 0 < rate < 1):
                advice = as_share(rate) or ": write the frozen share, e.g. 0.99"
                raise InputError(f"rate {rate} is not in (0, 1){advice}")
        if not self.rates or len(set(self.rates)) < len(self.rates):
            raise InputError("the rates must be one or more different numbers, e.g. 0.95,0.99,0.995")

    @property
    @abstractmethod
    def sentence(self) -> str:
        """What is asked, for a person."""

    @abstractmethod
    def values(self, accuracy: float, density: float, stored_bytes: float) -> tuple[float, ...]:
        """What the sampler learns of a configuration, one value per direction."""

    @abstractmethod
    def answer(self, compared: Sequence[C]) -> Answer[C]:
        """The answer, from configurations whose accuracies mean the same, the dense one among them."""

    def constraint(self, accuracy: float, dense_accuracy: float | None) -> float | None:
        """A number that must not be positive, or None where anything goes."""
        return None

    @property
    def needs_dense(self) -> bool:
        """Whether the dense trial must have finished before anything else starts."""
        return False

    def record(self) -> dict[str, Any]:
        """The question as JSON values; `parse` reads them."""
        rates = [str(rate) for rate in self.rates]
        return {"kind": self.name, "rates": rates, **{name: str(value) for name, value in self.own().items()}}

    def own(self) -> dict[str, Any]:
        """The fields that this question has beside its rates."""
        return {name: getattr(self, name) for name in self.own_types()}

    @classmethod
    def own_types(cls) -> dict[str, Any]:
        """The type of each field beside the rates: a Decimal, or a Literal of words."""
        assert is_dataclass(cls)
        return {field.name: field.type for field in fields(cls) if field.name != "rates"}

    @classmethod
    def parse(cls, words: Mapping[str, str], rates: Sequence[Decimal] | None = None) -> Self:
        """The question from the text of its own fields; what is left out has its default."""
        types = cls.own_types()
        values: dict[str, Any] = {name: _read(name, types[name], text) for name, text in words.items()}
        return cls(**values, **({"rates": tuple(rates)} if rates else {}))

    def flags(self) -> list[str]:
        """The words of the command line that ask this question."""
        own = [word for name, value in self.own().items() for word in (f"--{name}", str(value))]
        return ["--objective", self.name, *own, "--rates", ",".join(map(str, self.rates))]

    def __str__(self) -> str:
        """`smallest, keep 0.99, rates 0.95, 0.99`: by which two studies are compared."""
        own = [f"{name} {value}" for name, value in self.own().items()]
        return ", ".join([self.name, *own, f"rates {', '.join(map(str, self.rates))}"])


def _read(name: str, kind: Any, text: str) -> Any:
    """A field's value from its text: a Decimal, or one of a Literal's words."""
    if kind is Decimal:
        return parse_decimal(f"--{name}", text)
    assert get_origin(kind) is Literal
    if text not in get_args(kind):
        raise InputError(unknown(name, text, get_args(kind)))
    return text


def without_dense(compared: Sequence[C]) -> list[C]:
    """The configurations with a mask."""
    return [each for each in compared if each.method != "dense"]
