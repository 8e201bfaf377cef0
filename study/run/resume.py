"""`cops resume`: launches a study again with its recorded settings."""

from collections.abc import Mapping
from typing import Any, TextIO

from rich.console import Console

from cops_core.errors import InputError
from cops_core.plugins import Plugin
from search_spaces import find_space
from study.launch_settings import check_sizes
from study.places import DEFAULT_HOME, storage_uri
from study.records.store import find_study
from study.run.ablate import ablate
from study.run.launch import launch
from study.settings import RESUMABLE, make_settings, parse_settings, setting_flags


def resume(
    name: str,
    given: Mapping[str, Any],
    plugins: tuple[Plugin, ...],
    console: Console,
    *,
    events: TextIO | None = None,
) -> int:
    """Resume a study.

    Args:
        name: The study's. Its place is given by `home` and `storage` in `given`.
        given: Settings that may change between launches, by name. Other settings keep their recorded value,
            or have their default if they belong to a single launch.
        plugins: The loaded plugins.
        console: Shows the progress and the results.
        events: See `launch`.

    Returns:
        The exit code.

    Raises:
        InputError: There is no such study, it needs other plugins, it belongs to an experiment or a table, or
            `launch` refuses it.
    """
    store = find_study(storage_uri(given.get("home", DEFAULT_HOME), given.get("storage")), name)
    record = store.record()["settings"]
    before = parse_settings(record)
    if before.kind not in RESUMABLE:
        raise InputError(f"{name!r} is not a search: cops {before.kind} {before.space} resumes it")
    missing = [plugin for plugin in record["plugins"] if plugin not in {p.name for p in plugins}]
    if missing:
        flags = " ".join(f"--plugin {plugin}" for plugin in missing)
        raise InputError(f"study {name!r} used plugins: add {flags}")
    check_sizes(given, before.question, before.sampler)
    each = {setting for setting, flag in setting_flags().items() if flag.changes == "each"} - {"name"}
    kept = {setting: value for setting, value in dict(before).items() if setting not in each}
    settings = make_settings(**{**kept, **given, "plugins": plugins})
    if settings.kind == "ablate":
        return ablate(settings, console, events=events)
    return launch(find_space(settings.space), settings, console, events=events)
