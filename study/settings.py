"""The settings of `cops launch`, validated.

A setting is defined once, as a field of `Settings` with its `Flag`. From there follow the command's options
and the arguments of `study.launch` (`study.arguments`), whether a study may be resumed with another value,
the command in a report, and the differences that `cops compare` shows.
"""

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from cops_core.cache import DEFAULT_CACHE
from cops_core.errors import InputError, one_line, refuse_unknown
from cops_core.plugins import Plugin
from cops_core.streams import SEED_RANGE
from cops_core.trial import DEFAULT_DATA_ROOT
from search_spaces.base import SETTABLE
from search_spaces.question import Question, parse_question
from study.duration import whole_duration
from study.flags import COMPARISON, FIELDS, MACHINE, PLACES, QUESTION, SEARCH, Flag
from study.places import DEFAULT_HOME, storage_uri, tracking, whole_path, whole_uri, without_secret

Device = Literal["auto", "cpu"]
SamplerName = Literal["tpe", "random", "qmc", "nsga2", "gp", "grid"]
StoppingName = Literal["asha", "hyperband", "none"]
# The command that runs the study: cops launch, cops experiment, cops table or cops ablate.
Kind = Literal["search", "experiment", "table", "ablate"]
RESUMABLE: tuple[Kind, ...] = ("search", "ablate")  # by cops resume
PER_METHOD = 4  # configurations of each method at each rate, unless a launch says how many
LEAST_SHARE = 0.0001  # the smallest share of a GPU that Ray counts
# The share of a GPU for each trial, or the number of GPUs; auto: as measured.
GpuShare = float | Literal["auto"]


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError(f"{name!r} cannot name a folder: write letters, digits, '.', '_' and '-'")
    return name


def _share(given: Any) -> Any:
    """A share of the command line, which is text: `auto`, or a number."""
    if not isinstance(given, str) or given.strip() == "auto":
        return given.strip() if isinstance(given, str) else given
    try:
        return float(Decimal(given.strip()))
    except InvalidOperation:
        raise ValueError(f"{given!r} is not a number: write e.g. 0.5, 1 or auto") from None


def _possible_share(share: GpuShare | None) -> GpuShare | None:
    """Check a share: Ray gives a trial a part of one GPU, or several whole GPUs."""
    if share is None or share == "auto" or share == 0 or LEAST_SHARE <= share <= 1:
        return share
    if share > 1 and math.isfinite(share) and share == int(share):
        return share
    raise ValueError(f"{share:g} is neither a part of one GPU nor a whole number: write e.g. 0.5, 1 or auto")


WholePath = Annotated[Path, AfterValidator(whole_path)]


class Settings(BaseModel):
    """The settings of one launch. Most of them are described by the `help` of their flag.

    Attributes:
        trials: The number of configurations; each has one trial per seed.
        question: What the study asks.
        sampler: See `study.search.samplers`.
        stopping: See `study.search.stopping`; without effect if the rates are not an axis.
        first: Parameters of configurations that are tried before the sampler's proposals, each at every rate.
        home: The folder of everything that the study writes, except what has a setting of its own.
        plugins: Loaded by the driver and by each worker.
        kind: The command that runs the study. The space of an experiment or a table is its name, that of
            ablations the trial.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    space: Annotated[
        str,
        Flag(
            help="A space's name (see `cops spaces`), or the path of a space.py.",
            panel=QUESTION,
            search=True,
            argument=True,
        ),
    ]
    name: Annotated[
        str,
        AfterValidator(_plain_name),
        Flag(help="The study's name.", panel=QUESTION, changes="each", default="the space's"),
    ]
    trials: Annotated[
        int,
        Field(ge=1),
        Flag(
            help="Number of configurations in total, including the baselines.",
            panel=QUESTION,
            changes="kept",
            search=True,
            decides=True,
            default="the space's",
        ),
    ]
    question: Question
    per_method: Annotated[
        int | None,
        Field(ge=1),
        Flag(
            help="Number of configurations of each method at each rate, with --objective compare.",
            panel=COMPARISON,
            changes="kept",
            search=True,
            decides=True,
            default=str(PER_METHOD),
        ),
    ] = None
    seed: Annotated[
        int,
        Field(ge=0, lt=SEED_RANGE),
        Flag(help="Seed of all random numbers of the study.", panel=SEARCH, search=True),
    ] = 0
    seeds: Annotated[
        int,
        Field(ge=1, le=1000),
        Flag(
            help="Number of seeds of each configuration; the seeds are the same for all.",
            panel=QUESTION,
            search=True,
        ),
    ] = 1
    racing: Annotated[
        bool,
        Flag(
            help="Later seeds only for configurations that can still win.",
            panel=SEARCH,
            search=True,
            spelling="--racing/--no-racing",
        ),
    ] = True
    sampler: Annotated[SamplerName, Flag(help="Search algorithm", panel=SEARCH, search=True)] = "tpe"
    stopping: Annotated[
        StoppingName, Flag(help="Early stopping of trials at the same rate", panel=SEARCH, search=True)
    ] = "asha"
    epochs: Annotated[
        int | None,
        Field(ge=1),
        Flag(help="Number of epochs of each trial.", panel=FIELDS, default="the space's"),
    ] = None
    dataset: Annotated[
        str | None,
        Flag(help="The data set of all trials (see `cops datasets`).", panel=FIELDS, default="the space's"),
    ] = None
    model: Annotated[
        str | None,
        Flag(help="The network of all trials (see `cops models`).", panel=FIELDS, default="the space's"),
    ] = None
    learning_rate: Annotated[
        float | None,
        Field(gt=0, allow_inf_nan=False),
        Flag(
            help="The learning rate of all trials, which is then not searched.",
            panel=FIELDS,
            default="the space's",
            spelling="--lr",
        ),
    ] = None
    first: tuple[dict[str, Any], ...] = ()
    fresh: Annotated[
        bool,
        Flag(
            help="Run every trial, even if another study already has its result.",
            panel=SEARCH,
            changes="each",
            spelling="--fresh",
        ),
    ] = False
    retry: Annotated[
        bool,
        Flag(
            help="Run failed trials again.",
            panel=SEARCH,
            changes="each",
            spelling="--retry",
        ),
    ] = False
    concurrency: Annotated[
        int | None,
        Field(ge=1),
        Flag(
            help="Number of trials that run at the same time.",
            panel=MACHINE,
            changes="kept",
            decides=True,
            default="as many as fit on the machine",
        ),
    ] = None
    gpus_per_trial: Annotated[
        GpuShare | None,
        BeforeValidator(_share),
        AfterValidator(_possible_share),
        Flag(
            help="GPUs for each trial, e.g. 0.5; auto measures the need of one trial.",
            panel=MACHINE,
            changes="kept",
            default="1 if there is a GPU",
        ),
    ] = None
    device: Annotated[
        Device,
        Flag(
            help="auto: a GPU if a trial has a share of one, else the CPU. cpu: always the CPU.",
            panel=MACHINE,
            changes="kept",
        ),
    ] = "auto"
    cpus_per_trial: Annotated[
        int,
        Field(ge=1),
        Flag(
            help="CPU cores, and torch threads, for each trial.",
            panel=MACHINE,
            changes="kept",
            decides=True,
        ),
    ] = 1
    checkpoint_every: Annotated[
        float,
        Field(ge=0),
        Flag(help="Seconds between the checkpoints of a running trial.", panel=MACHINE, changes="kept"),
    ] = 30.0
    failure_share: Annotated[
        float,
        Field(ge=0, le=1),
        Flag(
            help="End the study if more than this share of all trials fail.",
            panel=MACHINE,
            changes="kept",
        ),
    ] = 0.25
    time_limit: Annotated[
        str | None,
        AfterValidator(whole_duration),
        Flag(
            help="Time after which this launch ends cleanly, e.g. 2h, 90m or 1h30m; resume it later.",
            panel=MACHINE,
            changes="each",
            default="none",
        ),
    ] = None
    home: Annotated[
        Path,
        Flag(
            help="Folder for everything that studies write.",
            panel=PLACES,
            changes="each",
            environment="COPS_HOME",
        ),
    ] = DEFAULT_HOME
    storage: Annotated[
        str | None,
        Flag(
            help="Folder or URI (e.g. s3://bucket/dir) for records and checkpoints.",
            panel=PLACES,
            changes="each",
            default="HOME/studies",
            environment="COPS_STORAGE",
        ),
    ] = None
    tracking_uri: Annotated[
        str | None,
        AfterValidator(whole_uri),
        AfterValidator(without_secret),
        Flag(
            help="MLflow server, e.g. http://127.0.0.1:5000.",
            panel=PLACES,
            changes="kept",
            default="SQLite in the home",
            environment="COPS_TRACKING_URI",
        ),
    ] = None
    address: Annotated[
        str | None,
        Flag(
            help="Address of a running Ray cluster, e.g. auto.",
            panel=MACHINE,
            changes="each",
            default="only this machine",
            environment="COPS_ADDRESS",
        ),
    ] = None
    data_root: Annotated[
        WholePath, Flag(help="Folder for downloaded data.", panel=PLACES, changes="kept")
    ] = DEFAULT_DATA_ROOT
    score_cache: Annotated[
        WholePath,
        Flag(
            help="Folder for scores that have been computed.",
            panel=PLACES,
            changes="kept",
            environment="COPS_SCORE_CACHE",
        ),
    ] = DEFAULT_CACHE
    plugins: tuple[Plugin, ...] = ()
    kind: Kind = "search"

    @model_validator(mode="before")
    @classmethod
    def _known_names(cls, data: Any) -> Any:
        """Refuse unknown names, with the nearest known one."""
        return refuse_unknown(cls, data)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of configurations that are set for all trials of the space."""
        given = {name: getattr(self, name) for name in SETTABLE}
        return {name: value for name, value in given.items() if value is not None}

    @property
    def storage_uri(self) -> str:
        """The storage of the studies' folders: an absolute path, or a URI."""
        return storage_uri(self.home, self.storage)

    @property
    def tracking(self) -> str:
        """MLflow's tracking URI: by default SQLite in the home."""
        return tracking(self.home, self.tracking_uri)

    def record(self) -> dict[str, Any]:
        """The settings as JSON values; of each plugin its name and the SHA-256 of its source."""
        plugins = {plugin.name: plugin.sha256 for plugin in self.plugins}
        plain = self.model_dump(mode="json", exclude={"question", "plugins"})
        return {**plain, "question": self.question.record(), "plugins": plugins}


@cache
def setting_flags() -> Mapping[str, Flag]:
    """The settings that have a flag, in order. The others never change, and have no option of this kind."""
    return dict(_flags())


def _flags() -> Iterator[tuple[str, Flag]]:
    for name, field in Settings.model_fields.items():
        for fact in field.metadata:
            if isinstance(fact, Flag):
                yield name, fact


def make_settings(**values: Any) -> Settings:
    """Validated settings.

    Args:
        values: Settings by name.

    Returns:
        The settings.

    Raises:
        InputError: A value is wrong, or a name is unknown; the message is one line.
    """
    try:
        return Settings(**values)
    except ValidationError as error:
        raise InputError(one_line(error)) from None


def parse_settings(record: Mapping[str, Any]) -> Settings:
    """The settings of a record, without its plugins.

    Args:
        record: As `Settings.record` returned it. A setting that is missing has its default value.

    Returns:
        The settings.

    Raises:
        InputError: A value is wrong.
    """
    fields = {name: value for name, value in record.items() if name in Settings.model_fields}
    question = parse_question(record["question"])
    return make_settings(**{**fields, "question": question, "plugins": ()})
