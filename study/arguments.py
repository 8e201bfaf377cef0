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
        panel="Question",
        search=True,
        argument=True,
    ),
    "name": Flag(
        help="The study's name.",
        panel="Question",
        changes="each",
        default="the space's",
    ),
    "trials": Flag(
        help="Number of configurations in total, including the baselines.",
        panel="Question",
        changes="kept",
        search=True,
        decides=True,
        default="the space's",
        type="int",
    ),
    "per_method": Flag(
        help="Number of configurations of each method at each rate, with --objective compare.",
        panel="Comparison of methods",
        changes="kept",
        search=True,
        decides=True,
        default="4",
        type="int",
    ),
    "seed": Flag(
        help="Seed of all random numbers of the study.",
        panel="Search",
        search=True,
        type="int",
        value=0,
    ),
    "seeds": Flag(
        help="Number of seeds of each configuration; the seeds are the same for all.",
        panel="Question",
        search=True,
        type="int",
        value=1,
    ),
    "racing": Flag(
        help="Later seeds only for configurations that can still win.",
        panel="Search",
        search=True,
        spelling="--racing/--no-racing",
        type="bool",
        value=True,
    ),
    "sampler": Flag(
        help="Search algorithm: tpe, random, qmc, nsga2, gp or grid.",
        panel="Search",
        search=True,
        choices=("tpe", "random", "qmc", "nsga2", "gp", "grid"),
        value="tpe",
    ),
    "stopping": Flag(
        help="Early stopping of trials at the same rate: asha, hyperband or none.",
        panel="Search",
        search=True,
        choices=("asha", "hyperband", "none"),
        value="asha",
    ),
    "epochs": Flag(
        help="Number of epochs of each trial.",
        panel="Data, network, training",
        default="the space's",
        type="int",
    ),
    "dataset": Flag(
        help="The data set of all trials (see `cops datasets`).",
        panel="Data, network, training",
        default="the space's",
    ),
    "model": Flag(
        help="The network of all trials (see `cops models`).",
        panel="Data, network, training",
        default="the space's",
    ),
    "learning_rate": Flag(
        help="The learning rate of all trials, which is then not searched.",
        panel="Data, network, training",
        default="the space's",
        spelling="--lr",
        type="float",
    ),
    "fresh": Flag(
        help="Run every trial, even if another study already has its result.",
        panel="Search",
        changes="each",
        spelling="--fresh",
        type="bool",
        value=False,
    ),
    "retry": Flag(
        help="Run failed trials again.",
        panel="Search",
        changes="each",
        spelling="--retry",
        type="bool",
        value=False,
    ),
    "concurrency": Flag(
        help="Number of trials that run at the same time.",
        panel="Machine",
        changes="kept",
        decides=True,
        default="as many as fit on the machine",
        type="int",
    ),
    "gpus_per_trial": Flag(
        help="GPUs for each trial, e.g. 0.5; auto measures the need of one trial.",
        panel="Machine",
        changes="kept",
        default="1 if there is a GPU",
    ),
    "device": Flag(
        help="auto: a GPU if a trial has a share of one, else the CPU. cpu: always the CPU.",
        panel="Machine",
        changes="kept",
        choices=("auto", "cpu"),
        value="auto",
    ),
    "cpus_per_trial": Flag(
        help="CPU cores, and torch threads, for each trial.",
        panel="Machine",
        changes="kept",
        decides=True,
        type="int",
        value=1,
    ),
    "checkpoint_every": Flag(
        help="Seconds between the checkpoints of a running trial.",
        panel="Machine",
        changes="kept",
        type="float",
        value=30.0,
    ),
    "failure_share": Flag(
        help="End the study if more than this share of all trials fail.",
        panel="Machine",
        changes="kept",
        type="float",
        value=0.25,
    ),
    "time_limit": Flag(
        help="Time after which this launch ends cleanly, e.g. 2h, 90m or 1h30m; resume it later.",
        panel="Machine",
        changes="each",
        default="none",
    ),
    "home": Flag(
        help="Folder for everything that studies write.",
        panel="Locations",
        changes="each",
        environment="COPS_HOME",
        type="Path",
        value="cops-home",
    ),
    "storage": Flag(
        help="Folder or URI (e.g. s3://bucket/dir) for records and checkpoints.",
        panel="Locations",
        changes="each",
        default="HOME/studies",
        environment="COPS_STORAGE",
    ),
    "tracking_uri": Flag(
        help="MLflow server, e.g. http://127.0.0.1:5000.",
        panel="Locations",
        changes="kept",
        default="SQLite in the home",
        environment="COPS_TRACKING_URI",
    ),
    "address": Flag(
        help="Address of a running Ray cluster, e.g. auto.",
        panel="Machine",
        changes="each",
        default="only this machine",
        environment="COPS_ADDRESS",
    ),
    "data_root": Flag(
        help="Folder for downloaded data.",
        panel="Locations",
        changes="kept",
        default="~/.cache/cops-study/data",
        type="Path",
    ),
    "score_cache": Flag(
        help="Folder for scores that have been computed.",
        panel="Locations",
        changes="kept",
        default="~/.cache/cops-study/scores",
        environment="COPS_SCORE_CACHE",
        type="Path",
    ),
}

# The rates are for all questions, each other flag for a single one.
QUESTION_FLAGS: Mapping[str, Flag] = {
    "rates": Flag(
        help="Freezing rates, e.g. 0.95,0.99.",
        panel="Question",
        default="the space's",
    ),
    "objective": Flag(
        help="rates: the best method at each of --rates. pareto: accuracy and --cost together. smallest: fewest weights that keep --keep. compare: which method is better, each with --per-method configurations at each of --rates.",
        panel="Question",
        default="the space's",
        choices=("rates", "pareto", "smallest", "compare"),
    ),
    "cost": Flag(
        help="Density, or bytes as stored, with --objective pareto.",
        panel="Question",
        choices=("density", "bytes"),
        value="density",
    ),
    "keep": Flag(
        help="Fraction of the dense accuracy, with --objective smallest.",
        panel="Question",
        value="0.99",
    ),
    "choosing_seeds": Flag(
        help="Seeds on which validation chooses, with --objective compare.",
        panel="Comparison of methods",
        value="1",
    ),
    "judging_seeds": Flag(
        help="Fresh seeds of what was chosen, for the test, with --objective compare.",
        panel="Comparison of methods",
        value="10",
    ),
    "baseline": Flag(
        help="The method that the others are compared with, with --objective compare.",
        panel="Comparison of methods",
        default="the first with a mask",
    ),
}


class Arguments(TypedDict, total=False):
    """The arguments of `study.launch`: the options of `cops launch`; None leaves one out.

    Args:
        name: The study's name.
        trials: Number of configurations in total, including the baselines.
        per_method: Number of configurations of each method at each rate, with --objective compare.
        seed: Seed of all random numbers of the study.
        seeds: Number of seeds of each configuration; the seeds are the same for all.
        racing: Later seeds only for configurations that can still win.
        sampler: Search algorithm: tpe, random, qmc, nsga2, gp or grid.
        stopping: Early stopping of trials at the same rate: asha, hyperband or none.
        epochs: Number of epochs of each trial.
        dataset: The data set of all trials (see `cops datasets`).
        model: The network of all trials (see `cops models`).
        learning_rate: The learning rate of all trials, which is then not searched.
        fresh: Run every trial, even if another study already has its result.
        retry: Run failed trials again.
        concurrency: Number of trials that run at the same time.
        gpus_per_trial: GPUs for each trial, e.g. 0.5; auto measures the need of one trial.
        device: auto: a GPU if a trial has a share of one, else the CPU. cpu: always the CPU.
        cpus_per_trial: CPU cores, and torch threads, for each trial.
        checkpoint_every: Seconds between the checkpoints of a running trial.
        failure_share: End the study if more than this share of all trials fail.
        time_limit: Time after which this launch ends cleanly, e.g. 2h, 90m or 1h30m; resume it later.
        home: Folder for everything that studies write.
        storage: Folder or URI (e.g. s3://bucket/dir) for records and checkpoints.
        tracking_uri: MLflow server, e.g. http://127.0.0.1:5000.
        address: Address of a running Ray cluster, e.g. auto.
        data_root: Folder for downloaded data.
        score_cache: Folder for scores that have been computed.
    """

    name: str | None
    trials: int | None
    per_method: int | None
    seed: int | None
    seeds: int | None
    racing: bool | None
    sampler: Literal["tpe", "random", "qmc", "nsga2", "gp", "grid"] | None
    stopping: Literal["asha", "hyperband", "none"] | None
    epochs: int | None
    dataset: str | None
    model: str | None
    learning_rate: float | None
    fresh: bool | None
    retry: bool | None
    concurrency: int | None
    gpus_per_trial: float | Literal["auto"] | None
    device: Literal["auto", "cpu"] | None
    cpus_per_trial: int | None
    checkpoint_every: float | None
    failure_share: float | None
    time_limit: str | None
    home: str | Path | None
    storage: str | None
    tracking_uri: str | None
    address: str | None
    data_root: str | Path | None
    score_cache: str | Path | None
