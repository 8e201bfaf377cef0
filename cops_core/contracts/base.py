"""The parts of a contract."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Case = tuple[Any, ...]


class ContractError(Exception):
    """A component does not satisfy its contract. The message is one line."""


def require(holds: bool, complaint: str) -> None:
    """Raise an error unless a condition is true.

    Args:
        holds: The condition.
        complaint: What is wrong if it is false.

    Raises:
        ContractError: The condition is false.
    """
    if not holds:
        raise ContractError(complaint)


@dataclass(frozen=True)
class Check:
    """One condition of a contract.

    Attributes:
        function: Called as `function(subject, *case)`; raises ContractError if the condition is false. Its
            docstring is one line that states the condition.
        cases: The cases in which it is checked, e.g. each small network.
    """

    function: Callable[..., None]
    cases: tuple[Case, ...] = ((),)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def condition(self) -> str:
        """What must be true, in one line."""
        return (self.function.__doc__ or "").strip()

    def run(self, subject: Any, case: Case = ()) -> None:
        """Check one case.

        Args:
            subject: The component.
            case: One of `cases`.

        Raises:
            ContractError: The condition is false, or the check raises any other error.
        """
        try:
            self.function(subject, *case)
        except ContractError:
            raise
        except Exception as error:
            words = " ".join(str(error).split())
            raise ContractError(f"raises {type(error).__name__}: {words}") from error


def each(*cases: Any) -> tuple[Case, ...]:
    """One case per value."""
    return tuple((case,) for case in cases)


def failures(checks: Sequence[Check], subject: Any) -> Iterator[str]:
    """Run checks.

    Args:
        checks: The checks.
        subject: The component.

    Yields:
        A line per failed check: its name, the first case in which it fails, and what is wrong. What several
        checks say alike is one line, with their number: a component that cannot be built fails them all.
    """
    found: dict[str, list[str]] = {}
    for check in checks:
        for case in check.cases:
            try:
                check.run(subject, case)
            except ContractError as error:
                where = f" ({', '.join(map(str, case))})" if case else ""
                found.setdefault(str(error), []).append(f"{check.name}{where}")
                break
    for complaint, (first, *others) in found.items():
        also = f", and {len(others)} other checks" if len(others) > 1 else f", {others[0]}" if others else ""
        yield f"{first}{also}: {complaint}"
