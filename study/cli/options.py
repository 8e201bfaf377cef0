"""Options that commands have in common: those of the settings, made from what `study.arguments` says."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from study.arguments import QUESTION_FLAGS, SETTINGS
from study.cli import complete
from study.cli.complete import HOME as HOME
from study.flags import MACHINE, PLACES, Flag

if TYPE_CHECKING:
    from cops_core.plugins import Plugin

# Values of flags by the setting's name, as they were written; those that were left out are missing.
Given = Mapping[str, Any]

FLAGS = {**SETTINGS, **QUESTION_FLAGS}
TYPES = {"str": str, "int": int, "float": float, "bool": bool, "Path": Path}
# What every command that runs trials is asked: on what, and where things lie.
RUN_FLAGS = tuple(name for name, flag in SETTINGS.items() if flag.panel in (MACHINE, PLACES))


def option(name: str, default: str = "", panel: str | None = None) -> Any:
    """The option of a setting or a question.

    Args:
        name: A key of `FLAGS`.
        default: What the help shows in place of the setting's own default.
        panel: The group of the command's help, where it is another than the setting's.
    """
    flag = FLAGS[name]
    return typer.Option(
        *([flag.spelling] if flag.spelling else []),
        help=flag.help,
        show_default=default or flag.default or not _is_switch(flag),
        envvar=flag.environment,
        rich_help_panel=panel or flag.panel,
        autocompletion=(lambda: list(flag.choices)) if flag.choices else None,
    )


def with_flags(
    *names: str, default: Callable[[Flag], str] = lambda _: "", panel: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command with an option for each of the flags; it receives those that were written as `given`.

    Args:
        names: Keys of `FLAGS`, in the order of the help.
        default: See `option`.
        panel: See `option`.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = [Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)]
        for parameter in signature(command).parameters.values():
            if parameter.name == "given":
                parameters += [_parameter(name, default(FLAGS[name]), panel) for name in names]
            else:
                parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))

        @wraps(command)
        def called(context: typer.Context, **values: Any) -> None:
            flags = {name: values.pop(name) for name in names}
            given = {name: value for name, value in flags.items() if _is_given(context, name)}
            command(**values, given=given)

        called.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return called

    return decorate


def _parameter(name: str, default: str, panel: str | None) -> Parameter:
    """The option as a parameter of a command; without a value of its own it may be None."""
    flag = FLAGS[name]
    kind = TYPES[flag.type]
    value = None if default or flag.value is None else kind(flag.value)
    allowed = kind | None if value is None else kind
    return Parameter(
        name,
        Parameter.KEYWORD_ONLY,
        default=value,
        annotation=Annotated[allowed, option(name, default, panel)],
    )


def _is_switch(flag: Flag) -> bool:
    """Whether it is off unless it is written: no default is worth showing."""
    return flag.spelling is not None and "/" not in flag.spelling


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether a flag was written, or its variable set."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


NameArgument = Annotated[str, typer.Argument(help="The study's name.", autocompletion=complete.studies)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object instead of tables.")]
ModelOption = Annotated[str, typer.Option(help="The network.", autocompletion=complete.models)]
DatasetOption = Annotated[str, typer.Option(help="The data set.", autocompletion=complete.datasets)]
HomeOption = Annotated[Path, option("home")]
StorageOption = Annotated[str | None, option("storage")]
TrackingOption = Annotated[str | None, option("tracking_uri")]
DeviceOption = Annotated[str, option("device")]
ScoreCacheOption = Annotated[Path | None, option("score_cache")]
DataRootOption = Annotated[Path | None, option("data_root")]
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


def otherwise(option: Any, default: str) -> Any:
    """The same option in a command that takes something else where it is left out."""
    info = copy(get_args(option)[1])
    info.show_default = default
    return info


def use_plugins(names: Sequence[str] | None) -> "tuple[Plugin, ...]":
    """Find the plugins of `--plugin`, and those that announce themselves, and register what they bring."""
    from cops_core.plugins import find_plugins
    from search_spaces.plugins import load_plugins

    plugins = find_plugins(names or ())
    load_plugins(plugins)
    return plugins
