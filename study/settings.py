"""What `cops launch` was asked to do, checked by type."""

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from cops_core.cache import DEFAULT_CACHE
from cops_core.errors import InputError, one_line, refuse_unknown, unknown
from cops_core.plugins import Plugin
from cops_core.streams import SEED_RANGE
from cops_core.trial import DEFAULT_DATA_ROOT
from search_spaces.question import Cost, Pareto, Question, Rates, Smallest
from study.places import DEFAULT_HOME, storage_uri, tracking, whole_path, whole_uri, without_secret
from study.search.samplers import SAMPLERS
from study.search.stopping import STOPPINGS

Device = Literal["auto", "cpu"]
OBJECTIVES = ("pareto", "smallest")
# Of a GPU, for each trial: a number, or as one trial is measured to need.
LEAST_SHARE = 0.0001  # that Ray counts
GpuShare = float | Literal["auto"]


def _known(kind: str, registry: Collection[str]) -> Callable[[str], str]:
    """A validator that accepts the names of `registry` alone, and suggests the nearest."""

    def check(name: str) -> str:
        if name not in registry:
            raise ValueError(unknown(kind, name, registry))
        return name

    return check


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError(f"{name!r} cannot name a folder: write letters, digits, '.', '_' and '-'")
    return name


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

    trials: configurations in all, the anchors included, each with one trial per seed. seeds: how many,
    the same for every configuration; racing: later seeds only for configurations that can still win.
    sampler: see `study.search.samplers`; stopping: of trials that lose their race, see
    `study.search.stopping`, "none" unless the rates are an axis. concurrency: trials at once, None for as
    many as the machine carries. gpus_per_trial: None takes one GPU where there is one. epochs: None
    leaves them to the space. first: parameters of configurations that are tried before any that the sampler
    proposes, with rates each at every rate. fresh: run trials even if another study has their results.
    checkpoint_every: seconds between a trial's checkpoints. failure_share: more failures than this share of
    all trials end the study. storage: a folder or a pyarrow filesystem URI. address: a running Ray cluster's,
    None starts one on this machine. score_cache: the folder, on each machine, of scores that were computed
    once. plugins: loaded here, and in each worker.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    space: str
    name: Annotated[str, AfterValidator(_plain_name)]
    trials: Annotated[int, Field(ge=1)]
    question: Question
    seed: Annotated[int, Field(ge=0, lt=SEED_RANGE)] = 0
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1
    racing: bool = True
    sampler: Annotated[str, AfterValidator(_known("sampler", SAMPLERS))] = "tpe"
    stopping: Annotated[str, AfterValidator(_known("stopping", STOPPINGS))] = "asha"
    epochs: Annotated[int | None, Field(ge=1)] = None
    first: tuple[dict[str, Any], ...] = ()
    concurrency: Annotated[int | None, Field(ge=1)] = None
    cpus_per_trial: Annotated[int, Field(ge=1)] = 1
    gpus_per_trial: Annotated[GpuShare | None, AfterValidator(_can_be_given)] = None
    device: Device = "auto"
    fresh: bool = False
    retry: bool = False
    checkpoint_every: Annotated[float, Field(ge=0)] = 30.0
    failure_share: Annotated[float, Field(ge=0, le=1)] = 0.25
    home: Path = DEFAULT_HOME
    storage: str | None = None
    tracking_uri: Annotated[str | None, AfterValidator(whole_uri), AfterValidator(without_secret)] = None
    address: str | None = None
    data_root: WholePath = DEFAULT_DATA_ROOT
    score_cache: WholePath = DEFAULT_CACHE
    plugins: tuple[Plugin, ...] = ()

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
        question = {"kind": type(self.question).__name__.lower(), **vars(self.question)}
        question["rates"] = [str(rate) for rate in self.question.rates]
        if isinstance(self.question, Smallest):
            question["keep"] = str(self.question.keep)
        plugins = {plugin.name: plugin.sha256 for plugin in self.plugins}
        plain = self.model_dump(mode="json", exclude={"question", "plugins"})
        return {**plain, "question": question, "plugins": plugins}


def parse_settings(record: Mapping[str, Any]) -> Settings:
    """The settings of a record; what is missing there has its default. Plugins are not among them."""
    fields = {name: value for name, value in record.items() if name in Settings.model_fields}
    question = parse_question(record["question"])
    return make_settings(**{**fields, "question": question, "plugins": ()})


def parse_question(record: Mapping[str, Any]) -> Question:
    """The question that `Settings.record` wrote."""
    rates = tuple(Decimal(rate) for rate in record["rates"])
    if record["kind"] == "smallest":
        return Smallest(keep=Decimal(record["keep"]), rates=rates)
    if record["kind"] == "pareto":
        return Pareto(rates=rates, cost=record.get("cost", "density"))
    return Rates(rates)


def make_settings(**values: Any) -> Settings:
    """Validated settings; InputError in one line if a value is wrong."""
    try:
        return Settings(**values)
    except ValidationError as error:
        raise InputError(one_line(error)) from None


def parse_decimal(flag: str, text: str) -> Decimal:
    """A number from the command line, kept as the decimal that was written."""
    try:
        return Decimal(text.strip()).normalize()
    except InvalidOperation:
        raise InputError(f"{flag} {text!r} is not a number: write e.g. 0.99") from None


def parse_share(text: str) -> GpuShare:
    """`auto`, or a number of GPUs."""
    return "auto" if text.strip() == "auto" else float(parse_decimal("--gpus-per-trial", text))


def parse_rates(text: str) -> tuple[Decimal, ...]:
    """Freezing rates from `0.95,0.99`."""
    return tuple(parse_decimal("--rates", part) for part in text.split(","))


def check_stopping(stopping: str | None, question: Question) -> None:
    """Early stopping compares trials of one rate; other questions have no such groups."""
    if stopping not in (None, "none") and not question.axis:
        raise InputError(
            f"--stopping {stopping} belongs to studies at given rates: leave it out, or write --rates"
        )


def choose_question(
    default: Question,
    rates: Sequence[Decimal] | None,
    objective: str | None,
    keep: Decimal | None,
    cost: str | None = None,
) -> Question:
    """The question that the flags ask, else the space's own."""
    if keep is not None and objective != "smallest":
        raise InputError("--keep belongs to --objective smallest: write both")
    if cost is not None and objective != "pareto":
        raise InputError("--cost belongs to --objective pareto: write both")
    if cost not in (None, *get_args(Cost)):
        raise InputError(unknown("cost", str(cost), get_args(Cost)))
    if objective not in (None, *OBJECTIVES):
        raise InputError(unknown("objective", str(objective), OBJECTIVES))
    if objective == "pareto":
        chosen: Cost = "bytes" if cost == "bytes" else "density"
        return Pareto(rates=tuple(rates) if rates else Pareto.rates, cost=chosen)
    if objective == "smallest":
        anchors = tuple(rates) if rates else Smallest.rates
        return Smallest(keep=keep if keep is not None else Smallest.keep, rates=anchors)
    return Rates(tuple(rates)) if rates else default
