"""The program `cops`: all commands, and how errors are reported."""

import atexit
import gc
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from study.cli.ablations import ablate
from study.cli.components import check, scores, spaces
from study.cli.examples import epilog
from study.cli.experiments import experiment
from study.cli.imports import import_
from study.cli.lists import datasets, models
from study.cli.networks import replay, unpack
from study.cli.reports import report
from study.cli.results import compare, export, show
from study.cli.running import close, status, stop
from study.cli.servers import serve, ui
from study.cli.studies import launch, resume
from study.cli.table import table

COMMANDS = {
    "Studies": (launch, resume, status, stop),
    "Results": (report, compare, show, ablate, export, import_, close, experiment, table),
    "Networks": (replay, unpack),
    "Components": (spaces, models, datasets, scores, check),
    "Servers": (ui, serve),
}
# Packages that results depend on.
VERSIONS = ("ray", "torch", "optuna", "mlflow")


class Commands(TyperGroup):
    """All commands. A wrong name is answered with the nearest."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first of `args` names.

        Raises:
            InputError: There is no such command.
        """
        from cops_core.errors import InputError, unknown

        word = args[0]
        if self.get_command(ctx, word) is None and not word.startswith("-") and not ctx.resilient_parsing:
            raise InputError(unknown("command", word, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


ABORTED = 130  # study.run.outcome.ABORTED, without its imports

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog=epilog("cops"),
)
for _panel, _commands in COMMANDS.items():
    for _command in _commands:
        app.command(rich_help_panel=_panel, epilog=epilog(_command.__name__))(_command)


def _show_version(asked: bool) -> None:
    if asked:
        needs = [f"{name} {_version(name)}" for name in VERSIONS]
        typer.echo(f"cops {_version('cops-study')} (python {python_version()}, {', '.join(needs)})")
        raise typer.Exit


def _version(distribution: str) -> str:
    """The version as installed: to import torch or Ray for it would take seconds."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


@app.callback()
def cops(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version, and those of the packages that results depend on.",
            is_eager=True,
            callback=_show_version,
        ),
    ] = False,
) -> None:
    """Studies of pruning and freezing before training: COPS and FreezeNet."""


def main() -> None:
    """The console script: wrong input is one line on stderr and exit code 2, never a traceback."""
    from cops_core.errors import InputError
    from study.console import replace_unknown_characters

    _collect_rarely()
    replace_unknown_characters(sys.stdout)
    try:
        code = app(prog_name="cops", standalone_mode=False)
    except typer.TyperException as error:
        typer.echo(f"error: {_explain(error)}", err=True)
        sys.exit(2)
    except InputError as error:
        for line in str(error).splitlines():  # the checks before a study may find several problems
            typer.echo(f"error: {line}", err=True)
        sys.exit(2)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("interrupted", err=True)
        sys.exit(130)
    if code == ABORTED:  # Ctrl-C twice: everything is written, and a regular exit takes seconds
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code if isinstance(code, int) else 0)


def _collect_rarely() -> None:
    """Collect old garbage rarely: half a million imported objects stay, and searching them takes long.

    Measured for `cops launch`: imports take 2.4 s in place of 3.2 s, the exit 0.2 s in place of 1.1 s.
    """
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, 1000)  # rounds until old objects are searched too; Python's default is 10
    atexit.register(gc.freeze)


def _explain(error: typer.TyperException) -> str:
    """What is wrong with the arguments of a command, in one line, and which help to read."""
    from cops_core.errors import did_you_mean

    context = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split())
    if context is None:
        return f"{message} (see cops --help)"
    if hasattr(error, "possibilities"):  # only a name of an option that does not exist has these
        known = [name for parameter in context.command.params for name in parameter.opts]
        word = str(getattr(error, "option_name", ""))
        message = f"unknown option {word!r}{did_you_mean(word, known)}"
    return f"{message} (see {context.command_path} --help)"
