"""How a line is printed: without line breaks, markup or highlighting."""

import codecs
import io
from typing import TextIO

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


# What is written where an encoding lacks a character; for all others a question mark.
REPLACEMENTS = {
    "\N{PLUS-MINUS SIGN}": "+-",
    "\N{MULTIPLICATION SIGN}": "x",
    "\N{HORIZONTAL ELLIPSIS}": "...",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MIDDLE DOT}": ".",
}


def replace_unknown_characters(stream: TextIO) -> None:
    """Let a stream replace what its encoding lacks: a study must not end in an error for a plus-minus sign.

    Args:
        stream: Usually stdout. A stream of another kind, as in notebooks, is left as it is.
    """
    codecs.register_error("cops", _replaced)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="cops")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    characters = error.object[error.start : error.end]
    return "".join(REPLACEMENTS.get(character, "?") for character in characters), error.end
