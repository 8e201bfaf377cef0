"""Commands about one trained network: replay it, unpack it."""

from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import HOME, DataRootOption, HomeOption, PluginOption, TrackingOption, use_plugins


def replay(
    run: Annotated[str, typer.Argument(help="The id of a trial's MLflow run.", metavar="RUN")],
    home: HomeOption = HOME,
    tracking_uri: TrackingOption = None,
    data_root: DataRootOption = None,
    plugin: PluginOption = None,
) -> None:
    """Run a trial again from its MLflow run, without Ray, and compare mask and metrics.

    The run contains everything that is needed: configuration, seed, versions and
    metrics. The exit code is 0 if the results are the same, and 1 if they differ.
    """
    from rich.console import Console

    from cops_core.trial import DEFAULT_DATA_ROOT
    from study.networks.replay import replay as replay_run

    plugins = use_plugins(plugin)
    code = replay_run(
        run,
        home=home,
        tracking_uri=tracking_uri,
        data_root=(data_root or DEFAULT_DATA_ROOT).expanduser(),
        extensions={plugin.name: plugin.sha256 for plugin in plugins},
        console=Console(),
    )
    raise typer.Exit(code)


def unpack(
    source: Annotated[
        str, typer.Argument(help="An artefact's file, or the id of a trial's MLflow run.", metavar="FILE|RUN")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The new file.", show_default="SOURCE.dense.safetensors, here")
    ] = None,
    home: HomeOption = HOME,
    tracking_uri: TrackingOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write the network of a trial as a dense state_dict (safetensors), for use in other programs.

    An artefact contains only the seed and the trained values. This command
    rebuilds the initial weights, so that torch alone can load the network.
    """
    from rich.console import Console

    from study.networks.unpack import unpack as unpack_network

    plugins = use_plugins(plugin)
    extensions = {plugin.name: plugin.sha256 for plugin in plugins}
    unpack_network(
        source, out, home=home, tracking_uri=tracking_uri, extensions=extensions, console=Console()
    )
