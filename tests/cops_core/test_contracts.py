"""Checks: what they say when a promise is broken."""

import pytest

from cops_core.contracts.base import Check, ContractError, each, failures, require


def small(number: int, limit: int, word: str = "than") -> None:
    """The number is small."""
    require(number < limit, f"{number} is not smaller {word} {limit}")


def raises(number: int) -> None:
    """Nothing is raised."""
    raise KeyError("one\ntwo")


def test_a_failure_names_the_check_and_the_first_case_that_breaks_it():
    checks = (Check(small, each(9, 5, 3)), Check(raises), Check(small, ((1, "by far than"),)))
    assert list(failures(checks, 4)) == [
        "small (3): 4 is not smaller than 3",
        "raises: raises KeyError: 'one\\ntwo'",
        "small (1, by far than): 4 is not smaller by far than 1",
    ]
    assert list(failures(checks[:1], 2)) == []


def test_what_a_check_raises_is_its_complaint_and_its_cause():
    with pytest.raises(ContractError, match="raises KeyError") as caught:
        Check(raises).run(1)
    assert isinstance(caught.value.__cause__, KeyError)
    assert (Check(small).name, Check(small).condition) == ("small", "The number is small.")
