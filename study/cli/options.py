"""Options that several commands have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cops_core.plugins import Plugin

HOME = Path("cops-home")  # study.settings.DEFAULT_HOME, without its imports
NameArgument = Annotated[str, typer.Argument(help="The study's name.")]
HomeOption = Annotated[
    Path, typer.Option(help="Folder of everything that studies write.", envvar="COPS_HOME", show_default=True)
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        help="Folder or URI (e.g. s3://bucket/dir) for records and checkpoints. [default: HOME/studies]",
        envvar="COPS_STORAGE",
    ),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        help="MLflow server, e.g. http://127.0.0.1:5000. [default: SQLite in the home]",
        envvar="COPS_TRACKING_URI",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="A running Ray cluster, e.g. auto. [default: this machine alone]", envvar="COPS_ADDRESS"
    ),
]
GpusOption = Annotated[
    str | None,
    typer.Option(
        help="GPUs for each trial, e.g. 0.5; auto measures what one needs. [default: 1 where there is one]"
    ),
]
DeviceOption = Annotated[
    str, typer.Option(help="auto: the GPU of each trial's share, else the CPU. cpu: there in any case.")
]
ScoreCacheOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of scores that were computed once. [default: ~/.cache/cops-study/scores]",
        envvar="COPS_SCORE_CACHE",
    ),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin", help="A module, or a .py file, with components of your own; repeat for more.", metavar="M"
    ),
]
DataRootOption = Annotated[
    Path | None, typer.Option(help="Folder for downloaded data. [default: ~/.cache/cops-study/data]")
]


def use_plugins(names: Sequence[str] | None) -> "tuple[Plugin, ...]":
    """Find the plugins of `--plugin`, and those that announce themselves, and register what they bring."""
    from cops_core.plugins import find_plugins
    from search_spaces.plugins import load_plugins

    plugins = find_plugins(names or ())
    load_plugins(plugins)
    return plugins
