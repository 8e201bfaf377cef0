"""Commands about a study that is there: stop it, judge it, look at it."""

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

# Where a study's own settings hold for what is left out.
RECORDED = "the study's"


def stop(
    name: NameArgument,
    wait: Annotated[float, typer.Option(help="Seconds to wait for it to end.")] = 120.0,
    home: HomeOption = HOME,
    storage: StorageOption = None,
) -> None:
    """End a study that runs elsewhere, cleanly: its trials are kept, and go on when it is resumed.

    The request lies in the study's storage, so that any machine that reaches it
    may ask. The exit code is 1 where the study has not ended after --wait.
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
        int, typer.Option(min=1, help="The best configurations at each rate that are judged.")
    ] = 3,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: Annotated[str | None, otherwise(TrackingOption, RECORDED)] = None,
    data_root: Annotated[Path | None, otherwise(DataRootOption, RECORDED)] = None,
    plugin: PluginOption = None,
) -> None:
    """Judge what validation chose on the test images, once, and close the study.

    Judged are the dense network, the baselines and the best configurations at each
    rate. Every look at the test images is written down; a study that was closed
    before is looked at once more, and told that it was.
    """
    from rich.console import Console

    from study.networks.judge import judge

    plugins = use_plugins(plugin)
    judge(
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
        bool, typer.Option("--logs", help="The log of each failure, tracebacks included.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show the studies of a home, or one study's trials and best results.

    What is said comes from the records, also while the study runs: which trials
    have ended and how, and the best configuration of each method.
    """
    from rich.console import Console

    from study.places import storage_uri
    from study.views.status import show_status

    use_plugins(plugin)
    show_status(Console(), storage_uri(home, storage), name, as_json=json, logs=logs)
