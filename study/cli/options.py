"""Options that several commands have in common."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from study.cli import complete
from study.cli.complete import HOME as HOME

if TYPE_CHECKING:
    from cops_core.plugins import Plugin

# Groups of options in the help of a command.
QUESTION = "What is asked"
SEARCH = "How it is searched"
MACHINE = "What it runs on"
PLACES = "Where things lie"

NameArgument = Annotated[str, typer.Argument(help="The study's name.", autocompletion=complete.studies)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]
ModelOption = Annotated[str, typer.Option(help="The network.", autocompletion=complete.models)]
DatasetOption = Annotated[str, typer.Option(help="The data set.", autocompletion=complete.datasets)]
TrialsOption = Annotated[
    int | None,
    typer.Option(
        help="Configurations in all, the anchors included.",
        show_default="the space's",
        rich_help_panel=QUESTION,
    ),
]
EpochsOption = Annotated[
    int | None,
    typer.Option(help="Epochs of each trial.", show_default="the space's", rich_help_panel=QUESTION),
]
HomeOption = Annotated[
    Path,
    typer.Option(help="Folder of everything that studies write.", envvar="COPS_HOME", rich_help_panel=PLACES),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        help="Folder or URI (e.g. s3://bucket/dir) for records and checkpoints.",
        show_default="HOME/studies",
        envvar="COPS_STORAGE",
        rich_help_panel=PLACES,
    ),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        help="MLflow server, e.g. http://127.0.0.1:5000.",
        show_default="SQLite in the home",
        envvar="COPS_TRACKING_URI",
        rich_help_panel=PLACES,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="A running Ray cluster, e.g. auto.",
        show_default="this machine alone",
        envvar="COPS_ADDRESS",
        rich_help_panel=MACHINE,
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        help="Trials at a time.", show_default="as many as the machine carries", rich_help_panel=MACHINE
    ),
]
GpusOption = Annotated[
    str | None,
    typer.Option(
        help="GPUs for each trial, e.g. 0.5; auto measures what one needs.",
        show_default="1 where there is one",
        rich_help_panel=MACHINE,
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        help="auto: the GPU of each trial's share, else the CPU. cpu: there in any case.",
        rich_help_panel=MACHINE,
        autocompletion=complete.trial_devices,
    ),
]
ScoreCacheOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder of scores that were computed once.",
        show_default="~/.cache/cops-study/scores",
        envvar="COPS_SCORE_CACHE",
        rich_help_panel=PLACES,
    ),
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        help="A module, or a .py file, with components of your own; repeat for more.",
        show_default="those that announce themselves",
        metavar="M",
        rich_help_panel=PLACES,
    ),
]
DataRootOption = Annotated[
    Path | None,
    typer.Option(
        help="Folder for downloaded data.",
        show_default="~/.cache/cops-study/data",
        rich_help_panel=PLACES,
    ),
]


def otherwise(option: Any, default: str, panel: str | None = None) -> Any:
    """The same option in a command that takes something else where it is left out.

    panel: the group of that command's help, where it is another.
    """
    info = copy(get_args(option)[1])
    info.show_default = default
    info.rich_help_panel = panel or info.rich_help_panel
    return info


def use_plugins(names: Sequence[str] | None) -> "tuple[Plugin, ...]":
    """Find the plugins of `--plugin`, and those that announce themselves, and register what they bring."""
    from cops_core.plugins import find_plugins
    from search_spaces.plugins import load_plugins

    plugins = find_plugins(names or ())
    load_plugins(plugins)
    return plugins
