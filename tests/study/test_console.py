"""A line is printed without changes, also in a terminal."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from study.console import print_line

LONG = f"cops resume {'long/' * 40} --home '[bold]my home[/]' 0.99 True https://example.org"


@pytest.mark.parametrize("line", [LONG, "", "[red", "two\nlines", "\nbelow a gap"])
def test_nothing_is_broken_marked_up_or_highlighted(line):
    for terminal in (False, True):
        console = Console(file=io.StringIO(), width=80, force_terminal=terminal)
        print_line(console, line)
        assert console.file.getvalue() == f"{line}\n"


def test_a_style_is_for_a_terminal_alone():
    texts = ("MLflow was not updated [why]", Text.assemble("next: ", ("cops ui", "bold")))
    for terminal, color in ((False, "auto"), (True, "standard")):
        for line in texts:
            console = Console(file=io.StringIO(), force_terminal=terminal, color_system=color)
            print_line(console, line, "yellow")
            assert ("\x1b[33m" in console.file.getvalue()) == terminal
            assert str(line)[:6] in console.file.getvalue()
