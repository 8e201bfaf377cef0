"""How a line is printed: as it is."""

from rich.console import Console
from rich.text import Text


def print_line(console: Console, line: str | Text, style: str = "") -> None:
    """Print a line that a person may copy and a program may read.

    It is never broken, whatever its length, and what looks like markup in it is none. style: of all of it,
    such as "yellow"; parts of a `Text` may have their own.
    """
    console.print(line, style=style or None, markup=False, highlight=False, soft_wrap=True)
