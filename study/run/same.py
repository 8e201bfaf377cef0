"""Compares the settings of a launch with the recorded ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cops_core.errors import InputError
from study.settings import parse_settings, setting_flags


def check_same(name: str, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Check that a study is launched again with its recorded settings.

    Only settings that must not change are compared. A space in a file is compared by the file's name; its
    content is compared later, when it is run on the recorded parameters.

    Args:
        name: The study's.
        recorded: `Settings.record` of the first launch. A setting that did not exist then has its default.
        now: `Settings.record` of this launch.

    Raises:
        InputError: Settings differ; the message names each.
    """
    before = {**parse_settings(recorded).record(), "plugins": recorded["plugins"]}
    flags = setting_flags()
    differences = [
        f"{key.replace('_', ' ')} {_shown(before[key])}, now {_shown(now[key])}"
        for key in now
        if (key not in flags or flags[key].changes == "never")
        and _plain(key, before[key]) != _plain(key, now[key])
    ]
    if differences:
        raise InputError(
            f"study {name!r} already exists with other settings: {'; '.join(differences)}:"
            " choose another --name, or the same settings to resume it"
        )


def _plain(key: str, value: Any) -> Any:
    return Path(value).stem if key == "space" and isinstance(value, str) else value


def _shown(value: Any) -> str:
    """A value, approximately as it is written on the command line."""
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {_shown(entry)}" for key, entry in value.items()) + ")"
    if isinstance(value, list | tuple) and (not value or isinstance(value[0], Mapping)):
        return f"{len(value)} configurations"
    if isinstance(value, list | tuple):
        return ",".join(_shown(entry) for entry in value)
    return str(value)
