"""Commands that show MLflow."""

from typing import Annotated

import typer

from study.cli.options import HOME, HomeOption, StorageOption

PortOption = Annotated[int, typer.Option(help="Port on 127.0.0.1.", min=1, max=65535)]


def ui(home: HomeOption = HOME, port: PortOption = 5000) -> None:
    """Browse every trial in MLflow's UI, on http://127.0.0.1:PORT, until Ctrl-C.

    It shows the home's database, also while studies write to it. Only this
    machine can open it.
    """
    from rich.console import Console

    from study.tracking.ui import serve_ui

    serve_ui(home, port, Console())


def serve(
    home: HomeOption = HOME,
    storage: StorageOption = None,
    port: PortOption = 5000,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the server answers, and leave it running.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End the home's server.")] = False,
) -> None:
    """Keep MLflow's server running on a cluster's head, and back its database up to the storage.

    The server is restarted when it dies. A new head starts with the newest
    backup. Studies log to the server with --tracking-uri.
    """
    from rich.console import Console

    from study.tracking.server import serve as server

    if stop:
        server.end(home=home, console=Console())
        return
    code = server.serve(home=home, storage=storage, port=port, detach=detach, console=Console())
    raise typer.Exit(code)
