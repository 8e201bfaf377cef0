"""Tables as Markdown, so that what a benchmark prints can be put into a page of docs/."""

from collections.abc import Iterable, Sequence


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a line for each row.

    Args:
        headings: Of the columns.
        rows: Their cells; a `|` or a line's end in one of them is replaced.
    """
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines)


def cell(text: str) -> str:
    """A text that does not end its cell."""
    return " ".join(text.split()).replace("|", "/")
