"""Studies from Python, as in a notebook.

import study

table = study.launch("quickstart", trials=24)
table = study.load("quickstart")
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd
from rich.console import Console

from cops_core.cache import DEFAULT_CACHE
from cops_core.plugins import find_plugins
from cops_core.trial import DEFAULT_DATA_ROOT
from search_spaces import find_space
from search_spaces.plugins import load_plugins
from search_spaces.question import Question
from study.places import DEFAULT_HOME, storage_uri
from study.records.frames import frame
from study.records.store import StudyStore, find_study
from study.run.launch import launch as run_study
from study.run.outcome import COMPLETE
from study.settings import GpuShare, check_stopping, make_settings


def launch(
    space: str,
    *,
    name: str | None = None,
    trials: int | None = None,
    question: Question | None = None,
    seed: int = 0,
    seeds: int = 1,
    racing: bool = True,
    sampler: str = "tpe",
    stopping: str | None = None,
    epochs: int | None = None,
    fresh: bool = False,
    retry: bool = False,
    checkpoint_every: float = 30.0,
    failure_share: float = 0.25,
    concurrency: int | None = None,
    cpus_per_trial: int = 1,
    gpus_per_trial: GpuShare | None = None,
    device: Literal["auto", "cpu"] = "auto",
    home: str | Path = DEFAULT_HOME,
    storage: str | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    data_root: str | Path = DEFAULT_DATA_ROOT,
    score_cache: str | Path = DEFAULT_CACHE,
    plugins: Sequence[str] = (),
    quiet: bool = False,
) -> pd.DataFrame:
    """Run a study to its end, or go on with it where it was; returns its table (see `load`).

    As `cops launch`, whose `--help` says what each argument means; `question` is one of
    `search_spaces.question`. quiet: print nothing. The table's `attrs["complete"]` says whether every trial
    came to an end of its own, as the command's exit code does. Raises InputError in one line for wrong
    input.
    """
    found_plugins = find_plugins(plugins)
    load_plugins(found_plugins)
    found = find_space(space)
    asked = question or found.question
    check_stopping(stopping, asked)
    settings = make_settings(
        space=found.word,
        name=name or found.name,
        trials=found.trials if trials is None else trials,
        question=asked,
        seed=seed,
        seeds=seeds,
        racing=racing,
        sampler=sampler,
        stopping=stopping or "asha",
        epochs=epochs,
        fresh=fresh,
        retry=retry,
        checkpoint_every=checkpoint_every,
        failure_share=failure_share,
        concurrency=concurrency,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=gpus_per_trial,
        device=device,
        home=Path(home),
        storage=storage,
        tracking_uri=tracking_uri,
        address=address,
        data_root=Path(data_root),
        score_cache=Path(score_cache),
        plugins=found_plugins,
    )
    code = run_study(found, settings, Console(quiet=quiet))
    table = frame(StudyStore(settings.storage_uri, settings.name))
    table.attrs["complete"] = code == COMPLETE
    return table


def load(name: str, *, home: str | Path = DEFAULT_HOME, storage: str | None = None) -> pd.DataFrame:
    """A study's trials, one row each, also while it runs; InputError if there is no such study.

    Columns are those of `trials.parquet`: what the trial was, how it ended, its last and its best
    epoch. See `study.records.tables.SCHEMA`.
    """
    return frame(find_study(storage_uri(Path(home), storage), name))
