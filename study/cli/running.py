"""Commands about an existing study: stop it, close it, show its status."""

from pathlib import Path
from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import (
    HOME,
    DataRootOption,
    HomeOption,
    JsonOption,
    NameArgument,
    PluginOption,
    StorageOption,
    TrackingOption,
    otherwise,
    use_plugins,
)

# The default of options that a study's own settings replace.
RECORDED = "the study's"


def stop(
    name: NameArgument,
    wait: Annotated[float, typer.Option(help="Seconds to wait for it to end.")] = 120.0,
    home: HomeOption = HOME,
    storage: StorageOption = None,
) -> None:
    """Stop a running study cleanly. Its trials are kept, and continue when it is resumed.

    The request is written into the study's storage: any machine that can reach it
    can stop the study. The exit code is 1 if it has not ended after --wait.
    """
    from rich.console import Console

    from study.places import storage_uri
    from study.records.store import StudyStore
    from study.run.stop import request_stop

    ended = request_stop(StudyStore(storage_uri(home, storage), name), Console(), wait)
    raise typer.Exit(0 if ended else 1)


def close(
    name: NameArgument,
    top: Annotated[
        int, typer.Option(min=1, help="How many of the best configurations at each rate are evaluated.")
    ] = 3,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: Annotated[str | None, otherwise(TrackingOption, RECORDED)] = None,
    data_root: Annotated[Path | None, otherwise(DataRootOption, RECORDED)] = None,
    plugin: PluginOption = None,
) -> None:
    """Evaluate the best configurations on the test images, once, and close the study.

    Validation accuracy decides which configurations are the best at each rate;
    the dense network and the baselines are evaluated too. Each evaluation is
    recorded. A closed study can be evaluated again, with a warning.
    """
    from rich.console import Console

    from study.networks.evaluate import evaluate_study

    plugins = use_plugins(plugin)
    evaluate_study(
        name,
        top=top,
        home=home,
        storage=storage,
        tracking_uri=tracking_uri,
        data_root=data_root,
        extensions={plugin.name: plugin.sha256 for plugin in plugins},
        console=Console(),
    )


def status(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A study's name.",
            show_default="all studies of the home",
            autocompletion=complete.studies,
        ),
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    plugin: PluginOption = None,
    logs: Annotated[
        bool, typer.Option("--logs", help="Show the log of each failure, with tracebacks.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show the studies of a home, or one study's trials and best results.

    It is read from the records, also while the study runs: which trials have
    ended and how, and the best configuration of each method.
    """
    from rich.console import Console

    from study.places import storage_uri
    from study.views.status import show_status

    use_plugins(plugin)
    show_status(Console(), storage_uri(home, storage), name, as_json=json, logs=logs)
