"""Options that commands share: those of the settings are made from `study.arguments`."""

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

# Values of the flags that were written, by the setting's name.
Given = Mapping[str, Any]

FLAGS = {**SETTINGS, **QUESTION_FLAGS}
TYPES = {"str": str, "int": int, "float": float, "bool": bool, "Path": Path}
# The names that complete a setting, where these are components.
NAMES = {"dataset": complete.datasets, "model": complete.models}
# The options of every command that runs trials: the machine, and the places.
RUN_FLAGS = tuple(name for name, flag in SETTINGS.items() if flag.panel in (MACHINE, PLACES))


def option(name: str, default: str = "", panel: str | None = None) -> Any:
    """The option of a setting or a question.

    Args:
        name: A key of `FLAGS`.
        default: The default that the help shows, in place of the setting's own.
        panel: The group in the command's help; None is the setting's own.
    """
    flag = FLAGS[name]
    return typer.Option(
        *([flag.spelling] if flag.spelling else []),
        help=flag.help,
        show_default=default or flag.default or not _is_switch(flag),
        envvar=flag.environment,
        rich_help_panel=panel or flag.panel,
        autocompletion=(lambda: list(flag.choices)) if flag.choices else NAMES.get(name),
    )


def with_flags(
    *names: str, default: Callable[[Flag], str] = lambda _: "", panel: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator that adds options to a command, which receives the written ones as `given`.

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
    """The option as a parameter of a command. It may be None if it has no default value."""
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
    """Whether the flag is off unless it is written, so that the help needs no default."""
    return flag.spelling is not None and "/" not in flag.spelling


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether a flag was written, or its environment variable is set."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


NameArgument = Annotated[str, typer.Argument(help="The study's name.", autocompletion=complete.studies)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
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
        help="A module or .py file with components of your own; repeat the option for more.",
        show_default="installed plugins",
        metavar="M",
        rich_help_panel=PLACES,
    ),
]


def otherwise(option: Any, default: str) -> Any:
    """The same option with another default in the help.

    Args:
        option: An annotated option.
        default: What the command uses if the option is left out, in words.
    """
    info = copy(get_args(option)[1])
    info.show_default = default
    return info


def use_plugins(names: Sequence[str] | None) -> "tuple[Plugin, ...]":
    """Find the plugins of `--plugin` and the installed ones, and register their components.

    Args:
        names: Modules or Python files.

    Raises:
        InputError: A plugin cannot be found or loaded.
    """
    from cops_core.plugins import find_plugins
    from search_spaces.plugins import load_plugins

    plugins = find_plugins(names or ())
    load_plugins(plugins)
    return plugins
