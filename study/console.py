"""How a line is printed: without line breaks, markup or highlighting."""

from rich.console import Console
from rich.text import Text


def print_line(console: Console, line: str | Text, style: str = "") -> None:
    """Print a line that a person may copy and a program may read.

    A long line is not broken, and square brackets in it are not read as markup.

    Args:
        console: Where to print.
        line: The line; parts of a `Text` may have styles of their own.
        style: The style of the whole line, such as "yellow".
    """
    console.print(line, style=style or None, markup=False, highlight=False, soft_wrap=True)
