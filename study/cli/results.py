"""Commands about results: compare studies, show a trial, export a study."""

from pathlib import Path
from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import (
    HOME,
    HomeOption,
    JsonOption,
    NameArgument,
    PluginOption,
    StorageOption,
    TrackingOption,
    otherwise,
    use_plugins,
)


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(
            help="Two or more studies, or methods as tables print them: 'STUDY:freeze snip'.",
            metavar="STUDY[:METHOD]...",
            autocompletion=complete.studies,
        ),
    ],
    home: HomeOption = HOME,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Compare studies or methods at each rate: the best of each, and the differences.

    Trials are paired by their seeds, which studies with the same --seed share; p
    values are adjusted by Holm. Other differences between the studies are listed.
    Studies with different images are refused.
    """
    from rich.console import Console

    from study.places import storage_uri
    from study.views.compare.comparison import compare as compare_studies
    from study.views.compare.view import comparison_content, print_comparison
    from study.views.status import print_json

    use_plugins(plugin)
    found = compare_studies(studies, storage_uri(home, storage))
    if json:
        print_json(Console(), comparison_content(found))
    else:
        print_comparison(Console(), found)


def show(
    run: Annotated[
        str,
        typer.Argument(
            help="STUDY/NUMBER, e.g. quickstart/12, or the id of its MLflow run, or its start.", metavar="RUN"
        ),
    ],
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: Annotated[
        str | None, otherwise(TrackingOption, "the study's; for a run's id SQLite in the home")
    ] = None,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Show one trial in full: its configuration, its results, its cost, how to run it again.

    It has the epochs, layers, COPS solutions, hashes and files; at the end are
    the commands for the trial, and the line of Python that loads its network.
    """
    from rich.console import Console

    from study.views.show.trial import find_trial, show_content
    from study.views.show.view import print_trial
    from study.views.status import print_json

    use_plugins(plugin)
    found = find_trial(run, home=home, storage=storage, tracking_uri=tracking_uri)
    if json:
        print_json(Console(), show_content(found, home))
    else:
        print_trial(Console(), found, home)


def export(
    name: NameArgument,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="parquet or csv: a row per trial, and per epoch. optuna: an Optuna study.",
            metavar="FORMAT",
            autocompletion=complete.formats,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="A new folder, or file.", show_default="NAME-FORMAT or NAME.optuna.db, here"),
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write a study as tables, or as an Optuna study that cops import restores, record by record.

    The Optuna file is an SQLite file, which optuna-dashboard reads: one study for
    each rate, with what the sampler received. No file is overwritten.
    """
    from rich.console import Console

    from study.exchange.export import export_study
    from study.places import storage_uri
    from study.records.store import find_study

    use_plugins(plugin)
    export_study(find_study(storage_uri(home, storage), name), kind, out, Console())
