"""Studies from Python, as in a notebook.

import study

table = study.launch("quickstart", trials=24)
table = study.load("quickstart")
"""

from collections.abc import Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Unpack

import pandas as pd
from rich.console import Console

from cops_core.plugins import find_plugins
from search_spaces import find_space
from search_spaces.plugins import load_plugins
from search_spaces.question import Question
from study.arguments import Arguments
from study.places import DEFAULT_HOME, storage_uri
from study.records.frames import frame
from study.records.store import StudyStore, find_study
from study.run.launch import launch as run_study
from study.run.outcome import COMPLETE
from study.settings import Settings, settings_of


def launch(
    space: str,
    *,
    question: Question | None = None,
    plugins: Sequence[str] = (),
    quiet: bool = False,
    **settings: Unpack[Arguments],
) -> pd.DataFrame:
    """Run a study to its end, or resume it; returns its table (see `load`).

    Args:
        space: A space's name, or the path of a Python file with one.
        question: One of `search_spaces.question`; None asks the space's own.
        plugins: Modules or .py files with components of your own.
        quiet: Print nothing.
        settings: As the flags of `cops launch`; None leaves one out.
        {arguments}

    Returns:
        A row per trial. `attrs["complete"]` says whether every trial came to an end of its own, as the
        command's exit code does.

    Raises:
        InputError: Wrong input, in one line.
    """
    found_plugins = find_plugins(plugins)
    load_plugins(found_plugins)
    found = find_space(space)
    asked = settings_of(found, question or found.question, settings, found_plugins)
    code = run_study(found, asked, Console(quiet=quiet))
    table = frame(StudyStore(asked.storage_uri, asked.name))
    table.attrs["complete"] = code == COMPLETE
    return table


def load(name: str, *, home: str | Path = DEFAULT_HOME, storage: str | None = None) -> pd.DataFrame:
    """A study's trials, one row each, also while it runs; InputError if there is no such study.

    Columns are those of `trials.parquet`: what the trial was, how it ended, its last and its best
    epoch. See `study.records.tables.SCHEMA`.
    """
    return frame(find_study(storage_uri(Path(home), storage), name))


def _say_settings() -> None:
    """Spell out the settings in the signature and help of `launch`, for notebooks."""
    own = [
        parameter
        for parameter in signature(launch).parameters.values()
        if parameter.kind is not Parameter.VAR_KEYWORD
    ]
    kinds = Arguments.__annotations__
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=_default(name), annotation=kinds[name])
        for name in kinds
    ]
    launch.__signature__ = signature(launch).replace(parameters=[*own, *more])  # type: ignore[attr-defined]
    _, _, arguments = (Arguments.__doc__ or "").partition("Args:\n")
    launch.__doc__ = (launch.__doc__ or "").format(arguments=arguments.strip())


def _default(name: str) -> object:
    field = Settings.model_fields[name]
    return None if field.is_required() else field.get_default()


_say_settings()
