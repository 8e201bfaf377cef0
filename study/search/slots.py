"""The slots of a study's plan: the baselines of every rate, then proposals, for each rate in turn."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cops_core.errors import InputError
from search_spaces.baselines import BASELINE_PARAMETERS
from search_spaces.question import Question


@dataclass(frozen=True)
class Slot:
    """A place in the study's plan.

    Attributes:
        history: The rate whose sampler history it belongs to; None if the rate is not an axis.
        baseline: The baseline's parameters, empty for the dense one; None for a proposal.
        density: The kept fraction, if the question decides it.
    """

    history: Decimal | None = None
    baseline: Mapping[str, Any] | None = None
    density: Decimal | None = None


def baseline_count(question: Question) -> int:
    """The number of baselines: the dense one, and those of each rate."""
    return 1 + len(BASELINE_PARAMETERS) * len(question.rates)


def slots(question: Question, trials: int) -> Iterator[Slot]:
    """The slots of a study in order. With more trials, further slots follow the same first ones.

    Args:
        question: The study's question.
        trials: The number of configurations.

    Yields:
        A slot per configuration.

    Raises:
        InputError: There are fewer configurations than baselines.
    """
    rates, baselines = question.rates, baseline_count(question)
    if trials < baselines:
        raise InputError(
            f"--trials {trials} is fewer than the {baselines} baselines (dense, and"
            f" {len(BASELINE_PARAMETERS)} at each of {len(rates)} rates): write {baselines} or more"
        )
    yield Slot(baseline={})
    for baseline in BASELINE_PARAMETERS:
        for rate in rates:
            yield Slot(rate if question.axis else None, baseline, 1 - rate)
    for index in range(trials - baselines):
        if question.axis:
            rate = rates[index % len(rates)]
            yield Slot(rate, density=1 - rate)
        else:
            yield Slot()
