"""All commands under one name, and what becomes of errors."""

import sys

import typer

from study.cli.components import check, scores, spaces
from study.cli.experiments import experiment
from study.cli.networks import replay, unpack
from study.cli.reports import report
from study.cli.running import close, status, stop
from study.cli.servers import serve, ui
from study.cli.studies import launch, resume

app = typer.Typer(
    help="Studies of pruning and freezing before training: COPS and FreezeNet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _command in (
    *(launch, resume, stop, close, status),
    report,
    *(replay, unpack),
    *(ui, serve),
    *(experiment, scores, spaces, check),
):
    app.command()(_command)


def main() -> None:
    """The console script: wrong input is one line on stderr and exit code 2, never a traceback."""
    from cops_core.errors import InputError

    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        message = " ".join(error.format_message().split())
        typer.echo(f"error: {message} (see cops --help, cops COMMAND --help)", err=True)
        sys.exit(2)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)
