"""Help that helps: each command and each option has a sentence, and each command stands in the docs."""

import re

import pytest

from .pages import PAGES
from .parsing import cops_commands

COMMANDS = cops_commands()
EVERYTHING = "\n".join(PAGES.values())
OPTIONS = [(name, parameter) for name, command in COMMANDS.items() for parameter in command.params]
DEFAULT = re.compile(r" \[default: [^\]]+\]$")


def is_sentence(text: str | None) -> bool:
    """Ends with a full stop, or asks; what the default is may follow."""
    return bool(text) and DEFAULT.sub("", text)[-1] in ".?"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_what_it_does(name):
    first = (COMMANDS[name].help or "").split("\n\n")[0]
    assert is_sentence(first), first


@pytest.mark.parametrize(
    ("name", "parameter"), OPTIONS, ids=[f"{name} {parameter.name}" for name, parameter in OPTIONS]
)
def test_an_option_says_what_it_is(name, parameter):
    if parameter.name != "help":
        assert is_sentence(parameter.help), parameter.help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_docs(name):
    assert re.search(rf"\bcops {name}\b|`{name}`", EVERYTHING)
