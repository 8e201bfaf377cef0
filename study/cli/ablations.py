"""The command that repeats a trial with its ablations."""

from typing import Annotated

import typer

from study.arguments import SETTINGS
from study.cli.options import RUN_FLAGS, Given, PluginOption, use_plugins, with_flags
from study.cli.studies import EventsOption
from study.flags import Flag


def _default(flag: Flag) -> str:
    """What the help shows for a setting in place of its own default."""
    if flag is SETTINGS["name"]:
        return "ablate-STUDY-NUMBER"
    return "the trial's study's" if flag.changes == "kept" else ""


@with_flags("name", *RUN_FLAGS, default=_default)
def ablate(
    trial: Annotated[
        str,
        typer.Argument(
            help="The finished trial: STUDY/NUMBER, e.g. quickstart/12.",
            metavar="STUDY/NUMBER",
        ),
    ],
    given: Given,
    seeds: Annotated[int, typer.Option(min=2, help="Number of fresh seeds, the same for all.")] = 5,
    plugin: PluginOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would run; start and write nothing.")
    ] = False,
    json: EventsOption = False,
) -> None:
    """Say what carries a trial's result: its mask's places, its layer densities ...

    The trial is trained again on fresh seeds, beside four ablations of its mask:
    shuffled or random within each layer, inverted, with other initial values. All
    are evaluated on test; differences are paired by seed, and tested together. It
    is a study of its own. The same command again resumes it.
    """
    import sys

    from rich.console import Console

    from cops_core.errors import InputError
    from study.run.ablate import ablate as run_ablations
    from study.run.ablate import ablation_settings

    if dry_run and json:
        raise InputError("--json needs a study that runs, and --dry-run runs none: write one of them")
    settings = ablation_settings(trial, seeds, given, use_plugins(plugin))
    events = sys.stdout if json else None
    raise typer.Exit(run_ablations(settings, Console(stderr=json), dry_run=dry_run, events=events))
