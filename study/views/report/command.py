"""The command that runs a study again, from what the study wrote about itself."""

from collections.abc import Iterator, Mapping
from shlex import join
from typing import Any

from study.flags import Flag
from study.settings import Settings, parse_settings, setting_flags

IMPORTED = "  # but for its first proposals, which cops import took from an Optuna study"


def launch_command(name: str, record: Mapping[str, Any]) -> str:
    """`cops launch SPACE --name NAME ...` with all that decides results and is not a setting's default.

    Where things lie belongs to the machine. record: the settings as recorded.
    """
    settings = parse_settings(record)
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
    """The flag with its value, where that is not the default."""
    value, default = getattr(settings, field), Settings.model_fields[field].get_default()
    if value == default or value is None:
        return
    if isinstance(value, bool):
        on, _, off = (flag.spelling or "").partition("/")
        yield on if value else off
    else:
        yield from (f"--{field.replace('_', '-')}", str(value))
