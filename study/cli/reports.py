"""The command that writes a study's report."""

from pathlib import Path
from typing import Annotated

import typer

from study.cli.options import (
    HOME,
    HomeOption,
    NameArgument,
    PluginOption,
    StorageOption,
    TrackingOption,
    use_plugins,
)


def report(
    name: NameArgument,
    out: Annotated[
        Path | None, typer.Option(help="The report's folder.", show_default="HOME/reports/NAME")
    ] = None,
    home: HomeOption = HOME,
    storage: StorageOption = None,
    tracking_uri: TrackingOption = None,
    plugin: PluginOption = None,
) -> None:
    """Write a study's report: one HTML page, its figures as PNG and SVG, its tables as Parquet and LaTeX.

    The page is also logged to the study's run in MLflow. A report can be written
    while the study runs.
    """
    from rich.console import Console

    from study.views.report.write import write_report

    use_plugins(plugin)
    write_report(name, out, home=home, storage=storage, tracking_uri=tracking_uri, console=Console())
