"""Studies from Python, as in a notebook.

import study

table = study.launch("quickstart", trials=24)
table = study.load("quickstart")
table = study.ablate("quickstart/5")
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
from study.analysis.ablation_words import ablation_headline, conclusions
from study.analysis.ablations import ablation_table
from study.analysis.configurations import by_configuration
from study.arguments import Arguments
from study.launch_settings import settings_of
from study.places import DEFAULT_HOME, storage_uri
from study.records.frames import frame
from study.records.store import StudyStore, find_study
from study.run.ablate import SEEDS, ablation_settings
from study.run.ablate import ablate as run_ablations
from study.run.launch import launch as run_study
from study.run.outcome import COMPLETE
from study.settings import Device, GpuShare, Settings


def launch(
    space: str,
    *,
    question: Question | None = None,
    plugins: Sequence[str] = (),
    quiet: bool = False,
    **settings: Unpack[Arguments],
) -> pd.DataFrame:
    """Run a study to its end, or resume it.

    Args:
        space: A space's name, or the path of a Python file with a space.
        question: One of `search_spaces.question`; None is the space's own question.
        plugins: Modules or .py files with your own components.
        quiet: Whether to print nothing.
        settings: As the flags of `cops launch`; None leaves one out.
        {arguments}

    Returns:
        The table of the study, one row per trial (see `load`). `attrs["complete"]` is True if every
        trial has a result or was stopped early, and everything is written, as the command's exit code 0.

    Raises:
        InputError: The input is wrong; the message is one line.
    """
    found_plugins = find_plugins(plugins)
    load_plugins(found_plugins)
    found = find_space(space)
    asked = settings_of(found, question or found.question, settings, found_plugins)
    code = run_study(found, asked, Console(quiet=quiet))
    table = frame(StudyStore(asked.storage_uri, asked.name))
    table.attrs["complete"] = code == COMPLETE
    return table


def ablate(
    trial: str,
    *,
    seeds: int = SEEDS,
    name: str | None = None,
    home: str | Path = DEFAULT_HOME,
    storage: str | None = None,
    data_root: str | Path | None = None,
    concurrency: int | None = None,
    gpus_per_trial: GpuShare | None = None,
    device: Device | None = None,
    plugins: Sequence[str] = (),
    quiet: bool = False,
) -> pd.DataFrame:
    """Train a finished trial beside the ablations of its mask on fresh seeds, or resume that.

    Args:
        trial: `STUDY/NUMBER`.
        seeds: The number of fresh seeds, at least 2.
        name: The new study's name; None is `ablate-STUDY-NUMBER`.
        home: Of the trial's study, and of the new one.
        storage: Where studies are; None is in the home.
        data_root: Folder for downloaded data. None here and below: as in the trial's study.
        concurrency: Number of trials that run at the same time.
        gpus_per_trial: GPUs for each trial.
        device: "auto" or "cpu".
        plugins: Modules or .py files with your own components.
        quiet: Whether to print nothing.

    Returns:
        The table of the new study (see `load`). `attrs["complete"]` as of `launch`. `attrs["headline"]` says
        what carries the result, `attrs["conclusions"]` has the numbers, a sentence each.

    Raises:
        InputError: The input is wrong; the message is one line.
    """
    found_plugins = find_plugins(plugins)
    load_plugins(found_plugins)
    own = {"data_root": data_root, "concurrency": concurrency, "gpus_per_trial": gpus_per_trial}
    given = {"name": name, "home": Path(home), "storage": storage, "device": device, **own}
    written = {key: value for key, value in given.items() if value is not None}
    asked = ablation_settings(trial, seeds, written, found_plugins)
    code = run_ablations(asked, Console(quiet=quiet))
    store = StudyStore(asked.storage_uri, asked.name)
    found = ablation_table(by_configuration(store.trials()), asked.seeds)
    table = frame(store)
    table.attrs["complete"] = code == COMPLETE
    table.attrs["headline"] = ablation_headline(found)
    table.attrs["conclusions"] = [conclusion.sentence for conclusion in conclusions(found)]
    return table


def load(name: str, *, home: str | Path = DEFAULT_HOME, storage: str | None = None) -> pd.DataFrame:
    """The table of a study, also while it runs.

    Args:
        name: The study's name.
        home: Its home.
        storage: Its storage; None is in the home.

    Returns:
        One row per trial, with the columns of `trials.parquet`: what the trial is, how it ended, its last
        and its best epoch. See `study.records.tables.SCHEMA`. Each searched parameter is a column, too:
        `parameter.learning_rate` is that of the parameter `learning_rate`, missing (NA) where a conditional
        space does not ask for it, and for baselines outside of the space. `test_accuracy` is known after
        `cops close`, of the trials that it evaluated.

    Raises:
        InputError: There is no such study.
    """
    return frame(find_study(storage_uri(Path(home), storage), name))


def _show_settings() -> None:
    """Add the settings to the signature and docstring of `launch`, for notebooks."""
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


_show_settings()
