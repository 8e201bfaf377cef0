"""Chooses the view of a study."""

from typing import TextIO

from rich.console import Console

from study.run.progress.base import View
from study.run.progress.json_lines import JsonLines
from study.run.progress.plain import PlainLines
from study.run.progress.tally import Tally
from study.run.progress.view import TerminalView
from study.settings import Settings


def choose_view(console: Console, events: TextIO | None, settings: Settings, tally: Tally) -> View:
    """Choose the view of a study.

    Args:
        console: Where the study is shown.
        events: Receives JSON lines in place of any other view; None for none.
        settings: The study's.
        tally: The state of the study.

    Returns:
        A live view for a terminal that can move its cursor, plain lines for other outputs.
    """
    if events is not None:
        study = {
            "name": settings.name,
            "space": settings.space,
            "trials": settings.trials,
            "seeds": settings.seeds,
            "storage": settings.storage_uri,
            "tracking": settings.tracking,
            "time_limit": settings.time_limit,
        }
        return JsonLines(events, study, tally)
    if console.is_terminal and not console.is_dumb_terminal and not console.quiet:
        return TerminalView(console, settings.name, tally)
    return PlainLines(console, settings.name, tally)
