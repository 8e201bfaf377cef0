"""`cops resume`: the same launch again, from what the study wrote about itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from cops_core.errors import InputError
from cops_core.plugins import Plugin
from search_spaces import find_space
from study.papers.experiments import EXPERIMENTS
from study.places import storage_uri
from study.records.store import find_study
from study.run.launch import launch
from study.settings import Settings, make_settings, parse_settings


def resume(
    name: str,
    *,
    home: Path,
    storage: str | None,
    address: str | None,
    fresh: bool,
    retry: bool,
    changes: Mapping[str, Any],
    plugins: Sequence[Plugin],
    console: Console,
    events: TextIO | None = None,
) -> int:
    """Go on with a study; returns the exit code.

    changes: of the settings that may differ from launch to launch. address: None is this machine,
    wherever the study ran before. events: see `launch`. Raises InputError as `launch` does.
    """
    store = find_study(storage_uri(home, storage), name)
    record = store.settings()["settings"]
    if record["space"] in EXPERIMENTS:
        raise InputError(
            f"{name!r} is part of an experiment: cops experiment {record['space']} goes on with it"
        )
    missing = [plugin for plugin in record["plugins"] if plugin not in {p.name for p in plugins}]
    if missing:
        flags = " ".join(f"--plugin {plugin}" for plugin in missing)
        raise InputError(f"study {name!r} used plugins: add {flags}")
    before = parse_settings(record)
    settings = make_settings(
        **{
            **{name: getattr(before, name) for name in Settings.model_fields},
            "home": home,
            "storage": storage,
            "address": address,
            "fresh": fresh,
            "retry": retry,
            "plugins": tuple(plugins),
            **changes,
        }
    )
    return launch(find_space(settings.space), settings, console, events=events)
