"""What `cops launch` was asked to do, checked by type.

A setting is written once, as a field of `Settings` with its `Flag`. The command's options and the arguments
of `study.launch` (`study.arguments`), whether a study may be resumed with it, the command in a report, and
what `cops compare` says follow from there.
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
from cops_core.errors import InputError, one_line, parse_decimal, refuse_unknown
from cops_core.plugins import Plugin
from cops_core.streams import SEED_RANGE
from cops_core.trial import DEFAULT_DATA_ROOT
from search_spaces.base import SearchSpace
from search_spaces.question import Question, choose_question, parse_question
from study.flags import MACHINE, PLACES, QUESTION, SEARCH, Flag
from study.places import DEFAULT_HOME, storage_uri, tracking, whole_path, whole_uri, without_secret

Device = Literal["auto", "cpu"]
SamplerName = Literal["tpe", "random", "qmc", "nsga2", "gp"]
StoppingName = Literal["asha", "hyperband", "none"]
# The command that runs it: cops launch, cops experiment, cops table.
Kind = Literal["search", "experiment", "table"]
# Of a GPU, for each trial: a number, or as one trial is measured to need.
LEAST_SHARE = 0.0001  # that Ray counts
GpuShare = float | Literal["auto"]


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError(f"{name!r} cannot name a folder: write letters, digits, '.', '_' and '-'")
    return name


def _share(given: Any) -> Any:
    """A share as it is written on the command line: `auto`, or a number."""
    if not isinstance(given, str) or given.strip() == "auto":
        return given.strip() if isinstance(given, str) else given
    try:
        return float(Decimal(given.strip()))
    except InvalidOperation:
        raise ValueError(f"{given!r} is not a number: write e.g. 0.5, 1 or auto") from None


def _can_be_given(share: GpuShare | None) -> GpuShare | None:
    """Ray gives parts of one GPU, or whole ones."""
    if share is None or share == "auto" or share == 0 or LEAST_SHARE <= share <= 1:
        return share
    if share > 1 and math.isfinite(share) and share == int(share):
        return share
    raise ValueError(f"{share:g} is neither a part of one GPU nor whole ones: write e.g. 0.5, 1 or auto")


WholePath = Annotated[Path, AfterValidator(whole_path)]


class Settings(BaseModel):
    """One launch. The home holds everything that the study writes, unless `storage` says otherwise.

    trials: configurations in all, the baselines included, each with one trial per seed. racing: later seeds
    only for configurations that can still win. sampler: see `study.search.samplers`; stopping: see
    `study.search.stopping`, "none" unless the rates are an axis. first: parameters of configurations that
    are tried before any that the sampler proposes, with rates each at every rate. checkpoint_every: seconds.
    plugins: loaded here, and in each worker. kind: of an experiment or a table the space is its name.
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
    seed: Annotated[
        int,
        Field(ge=0, lt=SEED_RANGE),
        Flag(help="Every random draw of the study derives from it.", panel=SEARCH, search=True),
    ] = 0
    seeds: Annotated[
        int,
        Field(ge=1, le=1000),
        Flag(
            help="Trials of each configuration, on seeds that are the same for all.",
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
        Flag(help="Epochs of each trial.", panel=QUESTION, default="the space's"),
    ] = None
    first: tuple[dict[str, Any], ...] = ()
    fresh: Annotated[
        bool,
        Flag(
            help="Run every trial, also those that another study has finished.",
            panel=SEARCH,
            changes="each",
            spelling="--fresh",
        ),
    ] = False
    retry: Annotated[
        bool,
        Flag(
            help="Run the trials that failed again.",
            panel=SEARCH,
            changes="each",
            spelling="--retry",
        ),
    ] = False
    concurrency: Annotated[
        int | None,
        Field(ge=1),
        Flag(
            help="Trials at a time.",
            panel=MACHINE,
            changes="kept",
            decides=True,
            default="as many as the machine carries",
        ),
    ] = None
    gpus_per_trial: Annotated[
        GpuShare | None,
        BeforeValidator(_share),
        AfterValidator(_can_be_given),
        Flag(
            help="GPUs for each trial, e.g. 0.5; auto measures what one needs.",
            panel=MACHINE,
            changes="kept",
            default="1 where there is one",
        ),
    ] = None
    device: Annotated[
        Device,
        Flag(
            help="auto: the GPU of each trial's share, else the CPU. cpu: there in any case.",
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
        Flag(help="Seconds between the checkpoints of a trial that runs.", panel=MACHINE, changes="kept"),
    ] = 30.0
    failure_share: Annotated[
        float,
        Field(ge=0, le=1),
        Flag(
            help="More failures than this share of all trials end the study.",
            panel=MACHINE,
            changes="kept",
        ),
    ] = 0.25
    home: Annotated[
        Path,
        Flag(
            help="Folder of everything that studies write.",
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
            help="A running Ray cluster, e.g. auto.",
            panel=MACHINE,
            changes="each",
            default="this machine alone",
            environment="COPS_ADDRESS",
        ),
    ] = None
    data_root: Annotated[
        WholePath, Flag(help="Folder for downloaded data.", panel=PLACES, changes="kept")
    ] = DEFAULT_DATA_ROOT
    score_cache: Annotated[
        WholePath,
        Flag(
            help="Folder of scores that were computed once.",
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
        """Names that are not known are told the nearest."""
        return refuse_unknown(cls, data)

    @property
    def storage_uri(self) -> str:
        """Where the studies' folders lie."""
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
    """The settings that have a flag, in order. The others are never changed, and given by other means."""
    return dict(_flags())


def _flags() -> Iterator[tuple[str, Flag]]:
    for name, field in Settings.model_fields.items():
        for fact in field.metadata:
            if isinstance(fact, Flag):
                yield name, fact


def make_settings(**values: Any) -> Settings:
    """Validated settings; InputError in one line if a value is wrong."""
    try:
        return Settings(**values)
    except ValidationError as error:
        raise InputError(one_line(error)) from None


def settings_of(
    space: SearchSpace, question: Question, given: Mapping[str, Any], plugins: tuple[Plugin, ...]
) -> Settings:
    """The settings of a new launch.

    Args:
        space: What is searched; it names the study and says how many trials, where they are not given.
        question: What is asked.
        given: Settings by name, as they were written; those that are missing or None have their defaults.
        plugins: Those that are loaded.

    Raises:
        InputError: A wrong value, or early stopping where trials have no common rate.
    """
    asked = {name: value for name, value in given.items() if value is not None}
    if asked.get("stopping", "none") != "none" and not question.axis:
        raise InputError(
            f"--stopping {asked['stopping']} belongs to studies at given rates: leave it out, or write"
            " --rates"
        )
    own = {"space": space.reference, "name": space.name, "trials": space.trials}
    return make_settings(**{**own, **asked, "question": question, "plugins": plugins})


def parse_settings(record: Mapping[str, Any]) -> Settings:
    """The settings of a record; what is missing there has its default. Plugins are not among them."""
    fields = {name: value for name, value in record.items() if name in Settings.model_fields}
    question = parse_question(record["question"])
    return make_settings(**{**fields, "question": question, "plugins": ()})


def parse_rates(text: str) -> tuple[Decimal, ...]:
    """Freezing rates from `0.95,0.99`."""
    return tuple(parse_decimal("--rates", part) for part in text.split(","))


def question_from(space: SearchSpace, words: Mapping[str, str | None]) -> Question:
    """The question that the flags ask, else the space's own.

    Args:
        space: Its question is asked where no flag asks another.
        words: The text of `objective`, `rates` and the flags of single questions; None where left out.
    """
    given = {name: text for name, text in words.items() if text is not None}
    objective, rates = given.pop("objective", None), given.pop("rates", None)
    return choose_question(space.question, objective, None if rates is None else parse_rates(rates), given)
