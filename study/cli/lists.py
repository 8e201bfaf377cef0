"""Commands that list the networks and the data sets."""

from typing import Annotated

import typer

from study.cli import complete
from study.cli.options import DataRootOption, PluginOption, use_plugins


def models(
    beginning: Annotated[
        str,
        typer.Argument(
            help="How the names begin, e.g. res, or timm/vit_tiny for networks of a package.",
            show_default="the project's and plugins' networks, and the packages",
            autocompletion=complete.models,
        ),
    ] = "",
    plugin: PluginOption = None,
) -> None:
    """List the networks: what each is, and the packages whose networks have names here.

    A name is what --model and TrialConfig.model take. Networks of torchvision and
    timm are named after their package, e.g. torchvision/resnet50.
    """
    from rich.console import Console

    from study.networks.registered import model_table

    use_plugins(plugin)
    Console().print(model_table(beginning))


def datasets(data_root: DataRootOption = None, plugin: PluginOption = None) -> None:
    """List the data sets: what each is, and whether its files are on this machine.

    A name is what --dataset and TrialConfig.dataset take. Your own folders of
    images are data sets of three lines in a plugin.
    """
    from rich.console import Console

    from cops_core.trial import DEFAULT_DATA_ROOT
    from study.networks.registered import dataset_table

    use_plugins(plugin)
    Console().print(dataset_table((data_root or DEFAULT_DATA_ROOT).expanduser()))
