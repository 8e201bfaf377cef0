"""The slots of a study's plan: which method, rate and density each configuration has, in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import count, islice

from cops_core.errors import InputError
from search_spaces.question import Question
from study.search.methods import Method, Methods


@dataclass(frozen=True)
class Slot:
    """A place in the study's plan.

    Attributes:
        rate: The rate whose configurations it is compared with; None if the rate is not an axis, and for the
            dense network.
        method: The method that it belongs to; None for a proposal that may be any.
        place: Which of the method's configurations at this rate it is, or which proposal, from 0 on.
        density: The kept fraction, if the question decides it.
        judges: The number of the chosen configuration that is trained again, on fresh seeds; None for one
            from which validation chooses.
    """

    rate: Decimal | None = None
    method: Method | None = None
    place: int = 0
    density: Decimal | None = None
    judges: int | None = None

    @property
    def group(self) -> tuple[str, Decimal | None]:
        """What validation chooses one configuration of: a method at a rate."""
        return ("" if self.method is None else self.method.name), self.rate


def slots(question: Question, methods: Methods, trials: int, given: int = 0) -> Iterator[Slot]:
    """The slots of a search in order. With more trials, further slots follow the same first ones.

    The baselines come first. They get one configuration more at each rate whenever there were as many
    proposals as would give each other method one: so they have as many as another method on average.

    Args:
        question: The study's question.
        methods: Of the study.
        trials: The number of configurations.
        given: How many configurations a user gives at each rate: they come before further ones of baselines.

    Yields:
        A slot per configuration.

    Raises:
        InputError: There are fewer configurations than baselines.
    """
    least = sum(1 if method.is_dense else len(question.rates) for method in methods.baselines)
    if trials < least:
        names = ", ".join(method.name for method in methods.baselines)
        raise InputError(
            f"--trials {trials} is fewer than the {least} baselines ({names}; those with a mask at each of"
            f" {len(question.rates)} rates): write {least} or more"
        )
    yield from islice(_searched(question, methods, given), trials)


def _searched(question: Question, methods: Methods, given: int) -> Iterator[Slot]:
    """The slots of a search without an end."""
    rates = question.rates
    names = {method.name for method in methods.baselines}
    others = len([method for method in methods.own if method.name not in names])
    proposals = count()
    for turn in count():
        for method in methods.baselines:
            if turn == 0 or turn < method.count(turn + 1):
                yield from at_each_rate(question, method, turn)
        between = max(others, given) if turn == 0 else others
        for index in islice(proposals, between * len(rates) if others else None):
            if question.axis:
                rate = rates[index % len(rates)]
                yield Slot(rate, place=index // len(rates), density=1 - rate)
            else:
                yield Slot(place=index)


def at_each_rate(question: Question, method: Method, place: int) -> Iterator[Slot]:
    """A configuration of a method at each rate; of the dense network a single one.

    Args:
        question: The study's question.
        method: The method.
        place: Which of the method's configurations.

    Yields:
        The slots.
    """
    if method.is_dense:
        yield Slot(method=method, place=place)
        return
    for rate in question.rates:
        yield Slot(rate if question.axis else None, method, place, 1 - rate)


def compared_slots(question: Question, methods: Methods, each: int) -> Iterator[Slot]:
    """The slots of a study that compares methods: one turn over all methods and rates after the other.

    Args:
        question: The study's question.
        methods: Of the study.
        each: How many configurations a method has at each rate, if it has so many.

    Yields:
        A slot per configuration. With a larger `each`, further slots follow the same first ones.
    """
    for place in range(each):
        for method in methods.every:
            if place < method.count(each):
                yield from at_each_rate(question, method, place)
