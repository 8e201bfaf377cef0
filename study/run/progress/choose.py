"""Which view a study has."""

from typing import TextIO

from rich.console import Console

from study.run.progress.base import View
from study.run.progress.json_lines import JsonLines
from study.run.progress.plain import PlainLines
from study.run.progress.tally import Tally
from study.run.progress.view import TerminalView
from study.settings import Settings


def choose_view(console: Console, events: TextIO | None, settings: Settings, tally: Tally) -> View:
    """JSON lines if there is a stream for them; a live view in a terminal that can move its cursor."""
    if events is not None:
        study = {
            "name": settings.name,
            "space": settings.space,
            "trials": settings.trials,
            "seeds": settings.seeds,
            "storage": settings.storage_uri,
            "tracking": settings.tracking,
        }
        return JsonLines(events, study, tally)
    if console.is_terminal and not console.is_dumb_terminal and not console.quiet:
        return TerminalView(console, settings.name, tally)
    return PlainLines(console, settings.name, tally)
