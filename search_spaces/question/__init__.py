"""The questions that a study may ask, each a class in its own file."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from cops_core.errors import InputError, lookup
from search_spaces.question.ablate import Ablate
from search_spaces.question.base import Answer, Candidate, Question
from search_spaces.question.compare import Compare
from search_spaces.question.pareto import Pareto
from search_spaces.question.rates import Rates
from search_spaces.question.smallest import Smallest

__all__ = [
    "QUESTIONS",
    "Ablate",
    "Answer",
    "Candidate",
    "Compare",
    "Pareto",
    "Question",
    "Rates",
    "Smallest",
]

QUESTIONS: dict[str, type[Question]] = {
    "rates": Rates,
    "pareto": Pareto,
    "smallest": Smallest,
    "compare": Compare,
}
# Those of studies that search nothing, which a space or a flag cannot ask.
OF_FIXED: dict[str, type[Question]] = {"ablate": Ablate}


def parse_question(record: Mapping[str, Any]) -> Question:
    """The question from its record, see `Question.record`.

    Raises:
        InputError: The record's kind is unknown, or a value is wrong.
    """
    words = {name: text for name, text in record.items() if name not in ("kind", "rates")}
    rates = [Decimal(rate) for rate in record["rates"]]
    return lookup("question", record["kind"], {**QUESTIONS, **OF_FIXED}).parse(words, rates)


def choose_question(
    default: Question, objective: str | None, rates: Sequence[Decimal] | None, words: Mapping[str, str]
) -> Question:
    """The question that the command's flags select, else `default`.

    Args:
        default: The space's own question, used where no flag selects another.
        objective: A key of `QUESTIONS`. None means the default's kind; `rates` if there are rates
            and the default's kind is not asked at given ones.
        rates: Freezing rates in (0, 1). None leaves them to the question, or to the default of its kind.
        words: The given flags that belong to a single question: {field: text}.

    Returns:
        The question.

    Raises:
        InputError: An unknown objective, a flag of another question, or a wrong value.
    """
    if objective is not None:
        asked = lookup("objective", objective, QUESTIONS)
    else:
        asked = type(default) if not rates or default.axis else Rates
    for name in words:
        owners = [question for question in QUESTIONS.values() if name in question.own_types()]
        if asked not in owners:
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} belongs to --objective {owners[0].name}: write both")
    # A space's own question keeps what no flag changes, e.g. its rates and its baseline.
    return default.changed(words, rates) if asked is type(default) else asked.parse(words, rates)
