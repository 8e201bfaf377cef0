"""The command that runs a study again, from its record."""

from collections.abc import Iterator, Mapping
from shlex import join
from typing import Any

from study.flags import Flag
from study.settings import Settings, parse_settings, setting_flags

IMPORTED = "  # without its first proposals, which cops import read from an Optuna study"


def launch_command(name: str, record: Mapping[str, Any]) -> str:
    """The command `cops launch SPACE --name NAME ...`.

    It has every setting on which results depend and that differs from its default. Folders and addresses are
    left out, since they depend on the machine.

    Args:
        name: The study's name.
        record: The settings as they are recorded.
    """
    settings = parse_settings(record)
    if settings.kind == "ablate":
        return join(["cops", "ablate", settings.space, "--seeds", str(settings.seeds), "--name", name])
    if settings.kind != "search":
        return join(["cops", settings.kind, settings.space])
    words = ["cops", "launch", settings.space, "--name", name]
    for field, flag in setting_flags().items():
        if (flag.changes == "never" and not flag.argument) or flag.decides:
            words += _words(field, flag, settings)
    words += settings.question.flags()
    for plugin in record["plugins"]:
        words += ["--plugin", plugin]
    return join(words) + (IMPORTED if settings.first else "")


def _words(field: str, flag: Flag, settings: Settings) -> Iterator[str]:
    """The flag with its value; nothing for the default."""
    value, default = getattr(settings, field), Settings.model_fields[field].get_default()
    if value == default or value is None:
        return
    if isinstance(value, bool):
        on, _, off = (flag.spelling or "").partition("/")
        yield on if value else off
    else:
        yield from (f"--{field.replace('_', '-')}", str(value))
