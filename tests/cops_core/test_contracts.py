"""Checks: what they say when a promise is broken."""

import pytest

from cops_core.contracts.base import Check, ContractError, each, failures, require
from cops_core.errors import listed


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


def test_what_many_checks_say_alike_is_one_line():
    def broken(subject):
        """It is whole."""
        raise ContractError("it cannot be built")

    def other(subject):
        """It is right."""
        raise ContractError("it is wrong")

    lines = list(failures((Check(broken), Check(other), Check(broken), Check(broken)), None))
    assert lines == ["broken, and 2 other checks: it cannot be built", "other: it is wrong"]


def test_many_names_are_shortened():
    names = [f"layer{number}.weight" for number in range(300)]
    assert listed(names) == "layer0.weight, layer1.weight, layer2.weight and 297 more"
    assert listed(names[:3]) == "layer0.weight, layer1.weight, layer2.weight"
    assert listed([]) == ""
