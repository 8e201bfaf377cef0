"""The command that compares our results with a paper's table, and lists the presets."""

from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import RUN_FLAGS, Given, PluginOption, use_plugins, with_flags

OWN = "the preset's"


@with_flags(*RUN_FLAGS)
def table(
    given: Given,
    name: Annotated[
        str | None,
        typer.Argument(
            help="The preset: a paper, a network and a data set.",
            show_default="all are listed",
            autocompletion=complete.presets,
        ),
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds of each cell.", show_default=OWN)] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Epochs of each trial; with another number nothing is compared with the paper.",
            show_default=OWN,
        ),
    ] = None,
    rates: Annotated[
        str | None, typer.Option(help="Some of the preset's rates, e.g. 0.99,0.995.", show_default=OWN)
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Show the recorded trials, run nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would run; start and write nothing.")
    ] = False,
    plugin: PluginOption = None,
) -> None:
    """Compare our results with a paper's table. Trials that are not recorded are run first.

    Each cell has our mean, its 95 % interval and seeds, the published figure, and
    whether they agree. The table is written as Markdown, LaTeX and Parquet into
    the study's folder. Run the command again to resume it. Without a name the
    presets are listed.
    """
    from rich.console import Console

    from cops_core.errors import InputError, lookup
    from search_spaces.presets import PRESETS

    if name is None:
        from cops_core.trial import DEFAULT_DATA_ROOT
        from study.papers.table.listing import preset_table

        root = given.get("data_root", DEFAULT_DATA_ROOT)
        Console().print(preset_table(PRESETS, root.expanduser()))
        return
    if recorded and dry_run:
        raise InputError("--recorded runs nothing, --dry-run prints what would run: write one of them")
    from search_spaces.question import Rates
    from study.launch_settings import parse_rates
    from study.papers.table.recorded import plan_table, recorded_table, study_name
    from study.settings import make_settings

    plugins = use_plugins(plugin)
    preset = lookup("preset", name, PRESETS)
    asked = preset.changed(epochs=epochs, seeds=seeds, rates=None if rates is None else parse_rates(rates))
    own = {"kind": "table", "space": name, "trials": 1, "question": Rates(asked.rates)}
    settings = make_settings(**{**own, **given, "name": study_name(preset, asked), "plugins": plugins})
    if dry_run:
        plan_table(preset, asked, settings, Console())
    elif recorded:
        recorded_table(preset, asked, settings, Console())
    else:
        from study.papers.table.run import run_table

        run_table(preset, asked, settings, Console())
