"""Commands that run a study: launch it, resume it."""

from typing import Annotated

import typer

from study.arguments import QUESTION_FLAGS, SETTINGS
from study.cli import complete
from study.cli.options import Given, NameArgument, PluginOption, use_plugins, with_flags

LAUNCH_FLAGS = (*(name for name, flag in SETTINGS.items() if not flag.argument), *QUESTION_FLAGS)
# The name finds the study; settings that never change are not options here.
RESUME_FLAGS = tuple(name for name, flag in SETTINGS.items() if flag.changes != "never" and name != "name")
EventsOption = Annotated[
    bool, typer.Option("--json", help="Print each event as one line of JSON, and nothing else.")
]


@with_flags(*LAUNCH_FLAGS)
def launch(
    space: Annotated[
        str,
        typer.Argument(help=SETTINGS["space"].help, autocompletion=complete.spaces),
    ],
    given: Given,
    plugin: PluginOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would run; start and write nothing.")
    ] = False,
    json: EventsOption = False,
) -> None:
    """Run a study: baselines first, then proposals. The same command again resumes it.

    The space says what is searched. Trials run in parallel on this machine, or on
    a cluster with --address. Each is recorded while it runs, and shown by cops
    status and cops ui. Ctrl-C ends the study cleanly. Trials that have ended are
    never run twice.
    """
    import sys

    from rich.console import Console

    from cops_core.errors import InputError
    from search_spaces import find_space
    from study.launch_settings import question_from, settings_of
    from study.run.launch import launch as run_study

    if dry_run and json:
        raise InputError("--json needs a study that runs, and --dry-run runs none: write one of them")
    plugins = use_plugins(plugin)
    found = find_space(space)
    question = question_from(found, {name: given.get(name) for name in QUESTION_FLAGS})
    values = {name: value for name, value in given.items() if name in SETTINGS}
    settings = settings_of(found, question, values, plugins)
    events = sys.stdout if json else None
    raise typer.Exit(run_study(found, settings, Console(stderr=json), dry_run=dry_run, events=events))


@with_flags(*RESUME_FLAGS, default=lambda flag: "as before" if flag.changes == "kept" else "")
def resume(name: NameArgument, given: Given, plugin: PluginOption = None, json: EventsOption = False) -> None:
    """Resume a study that was interrupted, or run more trials. Nothing is run twice.

    The question of a study stays the same; the number of trials, the machine and
    the places may change. Ended trials are kept, interrupted ones continue from
    their last checkpoint.
    """
    import sys

    from rich.console import Console

    from study.run.resume import resume as resume_study

    plugins = use_plugins(plugin)
    events = sys.stdout if json else None
    raise typer.Exit(resume_study(name, given, plugins, Console(stderr=json), events=events))
