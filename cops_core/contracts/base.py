"""What a contract is made of."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Case = tuple[Any, ...]


class ContractError(Exception):
    """A component breaks its contract. The message is one line that says what broke."""


def require(holds: bool, complaint: str) -> None:
    """Raise ContractError with `complaint` unless it `holds`."""
    if not holds:
        raise ContractError(complaint)


@dataclass(frozen=True)
class Check:
    """One promise of a contract.

    function: called as `function(subject, *case)`; raises ContractError where the promise is broken.
    Its docstring, one line, is the promise. cases: what it is tried on, e.g. each tiny network.
    """

    function: Callable[..., None]
    cases: tuple[Case, ...] = ((),)

    @property
    def name(self) -> str:
        """The function's."""
        return self.function.__name__

    @property
    def promise(self) -> str:
        """What must hold, in one line."""
        return (self.function.__doc__ or "").strip()

    def run(self, subject: Any, case: Case = ()) -> None:
        """Raise ContractError if the promise is broken, or if trying it raises anything else."""
        try:
            self.function(subject, *case)
        except ContractError:
            raise
        except Exception as error:
            words = " ".join(str(error).split())
            raise ContractError(f"raises {type(error).__name__}: {words}") from error


def each(*cases: Any) -> tuple[Case, ...]:
    """A case for each value."""
    return tuple((case,) for case in cases)


def failures(checks: Sequence[Check], subject: Any) -> Iterator[str]:
    """A line for each check that fails: its name, the first case on which it does, what broke."""
    for check in checks:
        for case in check.cases:
            try:
                check.run(subject, case)
            except ContractError as error:
                where = f" ({', '.join(map(str, case))})" if case else ""
                yield f"{check.name}{where}: {error}"
                break
