"""The settings as flags of commands, and as arguments of `study.launch`.

Written by `uv run python .ci/arguments.py` from `study.settings` and `search_spaces.question`: edit these.
"""

# ruff: noqa: E501

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypedDict

from study.flags import Flag

SETTINGS: Mapping[str, Flag] = {
    "space": Flag(
        help="A space's name (see `cops spaces`), or the path of a space.py.",
        panel="What is asked",
        search=True,
        argument=True,
    ),
    "name": Flag(
        help="The study's name.",
        panel="What is asked",
        changes="each",
        default="the space's",
    ),
    "trials": Flag(
        help="Number of configurations in total, including the baselines.",
        panel="What is asked",
        changes="kept",
        search=True,
        decides=True,
        default="the space's",
        type="int",
    ),
    "seed": Flag(
        help="Every random draw of the study derives from it.",
        panel="How it is searched",
        search=True,
        type="int",
        value=0,
    ),
    "seeds": Flag(
        help="Trials of each configuration, on seeds that are the same for all.",
        panel="What is asked",
        search=True,
        type="int",
        value=1,
    ),
    "racing": Flag(
        help="Later seeds only for configurations that can still win.",
        panel="How it is searched",
        search=True,
        spelling="--racing/--no-racing",
        type="bool",
        value=True,
    ),
    "sampler": Flag(
        help="Search algorithm: tpe, random, qmc, nsga2 or gp.",
        panel="How it is searched",
        search=True,
        choices=("tpe", "random", "qmc", "nsga2", "gp"),
        value="tpe",
    ),
    "stopping": Flag(
        help="Early stopping of trials at the same rate: asha, hyperband or none.",
        panel="How it is searched",
        search=True,
        choices=("asha", "hyperband", "none"),
        value="asha",
    ),
    "epochs": Flag(
        help="Epochs of each trial.",
        panel="What is asked",
        default="the space's",
        type="int",
    ),
    "fresh": Flag(
        help="Run every trial, also those that another study has finished.",
        panel="How it is searched",
        changes="each",
        spelling="--fresh",
        type="bool",
        value=False,
    ),
    "retry": Flag(
        help="Run the trials that failed again.",
        panel="How it is searched",
        changes="each",
        spelling="--retry",
        type="bool",
        value=False,
    ),
    "concurrency": Flag(
        help="Trials at a time.",
        panel="What it runs on",
        changes="kept",
        decides=True,
        default="as many as the machine carries",
        type="int",
    ),
    "gpus_per_trial": Flag(
        help="GPUs for each trial, e.g. 0.5; auto measures what one needs.",
        panel="What it runs on",
        changes="kept",
        default="1 where there is one",
    ),
    "device": Flag(
        help="auto: the GPU of each trial's share, else the CPU. cpu: there in any case.",
        panel="What it runs on",
        changes="kept",
        choices=("auto", "cpu"),
        value="auto",
    ),
    "cpus_per_trial": Flag(
        help="CPU cores, and torch threads, for each trial.",
        panel="What it runs on",
        changes="kept",
        decides=True,
        type="int",
        value=1,
    ),
    "checkpoint_every": Flag(
        help="Seconds between the checkpoints of a trial that runs.",
        panel="What it runs on",
        changes="kept",
        type="float",
        value=30.0,
    ),
    "failure_share": Flag(
        help="More failures than this share of all trials end the study.",
        panel="What it runs on",
        changes="kept",
        type="float",
        value=0.25,
    ),
    "home": Flag(
        help="Folder of everything that studies write.",
        panel="Where things lie",
        changes="each",
        environment="COPS_HOME",
        type="Path",
        value="cops-home",
    ),
    "storage": Flag(
        help="Folder or URI (e.g. s3://bucket/dir) for records and checkpoints.",
        panel="Where things lie",
        changes="each",
        default="HOME/studies",
        environment="COPS_STORAGE",
    ),
    "tracking_uri": Flag(
        help="MLflow server, e.g. http://127.0.0.1:5000.",
        panel="Where things lie",
        changes="kept",
        default="SQLite in the home",
        environment="COPS_TRACKING_URI",
    ),
    "address": Flag(
        help="A running Ray cluster, e.g. auto.",
        panel="What it runs on",
        changes="each",
        default="this machine alone",
        environment="COPS_ADDRESS",
    ),
    "data_root": Flag(
        help="Folder for downloaded data.",
        panel="Where things lie",
        changes="kept",
        default="~/.cache/cops-study/data",
        type="Path",
    ),
    "score_cache": Flag(
        help="Folder of scores that were computed once.",
        panel="Where things lie",
        changes="kept",
        default="~/.cache/cops-study/scores",
        environment="COPS_SCORE_CACHE",
        type="Path",
    ),
}

# The rates belong to all questions, each other flag to a single one.
QUESTION_FLAGS: Mapping[str, Flag] = {
    "rates": Flag(
        help="Freezing rates, e.g. 0.95,0.99.",
        panel="What is asked",
        default="the space's",
    ),
    "objective": Flag(
        help="rates: the best method at each of --rates. pareto: accuracy and --cost together. smallest: fewest weights that keep --keep.",
        panel="What is asked",
        default="the space's",
        choices=("rates", "pareto", "smallest"),
    ),
    "cost": Flag(
        help="Density, or bytes as stored, with --objective pareto.",
        panel="What is asked",
        choices=("density", "bytes"),
        value="density",
    ),
    "keep": Flag(
        help="Fraction of the dense accuracy, with --objective smallest.",
        panel="What is asked",
        value="0.99",
    ),
}


class Arguments(TypedDict, total=False):
    """What `study.launch` takes, as `cops launch` does; None leaves an argument out.

    Args:
        name: The study's name.
        trials: Number of configurations in total, including the baselines.
        seed: Every random draw of the study derives from it.
        seeds: Trials of each configuration, on seeds that are the same for all.
        racing: Later seeds only for configurations that can still win.
        sampler: Search algorithm: tpe, random, qmc, nsga2 or gp.
        stopping: Early stopping of trials at the same rate: asha, hyperband or none.
        epochs: Epochs of each trial.
        fresh: Run every trial, also those that another study has finished.
        retry: Run the trials that failed again.
        concurrency: Trials at a time.
        gpus_per_trial: GPUs for each trial, e.g. 0.5; auto measures what one needs.
        device: auto: the GPU of each trial's share, else the CPU. cpu: there in any case.
        cpus_per_trial: CPU cores, and torch threads, for each trial.
        checkpoint_every: Seconds between the checkpoints of a trial that runs.
        failure_share: More failures than this share of all trials end the study.
        home: Folder of everything that studies write.
        storage: Folder or URI (e.g. s3://bucket/dir) for records and checkpoints.
        tracking_uri: MLflow server, e.g. http://127.0.0.1:5000.
        address: A running Ray cluster, e.g. auto.
        data_root: Folder for downloaded data.
        score_cache: Folder of scores that were computed once.
    """

    name: str | None
    trials: int | None
    seed: int | None
    seeds: int | None
    racing: bool | None
    sampler: Literal["tpe", "random", "qmc", "nsga2", "gp"] | None
    stopping: Literal["asha", "hyperband", "none"] | None
    epochs: int | None
    fresh: bool | None
    retry: bool | None
    concurrency: int | None
    gpus_per_trial: float | Literal["auto"] | None
    device: Literal["auto", "cpu"] | None
    cpus_per_trial: int | None
    checkpoint_every: float | None
    failure_share: float | None
    home: str | Path | None
    storage: str | None
    tracking_uri: str | None
    address: str | None
    data_root: str | Path | None
    score_cache: str | Path | None
