"""Options that several commands have in common."""

from pathlib import Path
from typing import Annotated

import typer

HOME = Path("cops-home")  # study.settings.DEFAULT_HOME, without its imports
HomeOption = Annotated[
    Path, typer.Option(help="Folder of everything that studies write.", envvar="COPS_HOME", show_default=True)
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        help="Folder or URI (e.g. s3://bucket/dir) for records and checkpoints. [default: HOME/studies]"
    ),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        help="MLflow server, e.g. http://127.0.0.1:5000. [default: SQLite in the home]",
        envvar="COPS_TRACKING_URI",
    ),
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
