"""What `cops launch` was asked to do, checked by type."""

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from cops_core.cache import DEFAULT_CACHE
from cops_core.errors import InputError, one_line, unknown
from cops_core.plugins import Plugin
from cops_core.streams import SEED_RANGE
from cops_core.trainable import DEFAULT_DATA_ROOT
from search_spaces.question import Pareto, Question, Rates, Smallest

DEFAULT_HOME = Path("cops-home")
OBJECTIVES = ("pareto", "smallest")


def _plain_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError(f"{name!r} cannot name a folder: write letters, digits, '.', '_' and '-'")
    return name


class Settings(BaseModel):
    """One launch. The home holds everything that the study writes, unless `storage` says otherwise.

    trials: configurations in all, the anchors included. concurrency: trials at once, None for as
    many as the machine carries. gpus_per_trial: None takes one GPU where there is one. epochs: None
    leaves them to the space. storage: a folder or a pyarrow filesystem URI. address: a running Ray
    cluster's, None starts one on this machine. score_cache: the folder, on
    each machine, of scores that were computed once. plugins: loaded here, and in each worker.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    space: str
    name: Annotated[str, AfterValidator(_plain_name)]
    trials: Annotated[int, Field(ge=1)]
    question: Question
    seed: Annotated[int, Field(ge=0, lt=SEED_RANGE)] = 0
    epochs: Annotated[int | None, Field(ge=1)] = None
    concurrency: Annotated[int | None, Field(ge=1)] = None
    cpus_per_trial: Annotated[int, Field(ge=1)] = 1
    gpus_per_trial: Annotated[float | None, Field(ge=0)] = None
    home: Path = DEFAULT_HOME
    storage: str | None = None
    tracking_uri: str | None = None
    address: str | None = None
    data_root: Path = DEFAULT_DATA_ROOT
    score_cache: Path = DEFAULT_CACHE
    plugins: tuple[Plugin, ...] = ()

    @property
    def storage_uri(self) -> str:
        """Where the studies' folders lie."""
        return storage_uri(self.home, self.storage)

    @property
    def tracking(self) -> str:
        """MLflow's tracking URI: by default SQLite in the home."""
        return self.tracking_uri or f"sqlite:///{(self.home / 'mlflow.db').resolve()}"

    def record(self) -> dict[str, Any]:
        """The settings as JSON values; of each plugin its name and the SHA-256 of its source."""
        question = {"kind": type(self.question).__name__.lower(), **vars(self.question)}
        question["rates"] = [str(rate) for rate in self.question.rates]
        if isinstance(self.question, Smallest):
            question["keep"] = str(self.question.keep)
        plugins = {plugin.name: plugin.sha256 for plugin in self.plugins}
        plain = self.model_dump(mode="json", exclude={"question", "plugins"})
        return {**plain, "question": question, "plugins": plugins}


def make_settings(**values: Any) -> Settings:
    """Validated settings; InputError in one line if a value is wrong."""
    try:
        return Settings(**values)
    except ValidationError as error:
        raise InputError(one_line(error)) from None


def storage_uri(home: Path, storage: str | None) -> str:
    """Where the studies' folders lie: `storage`, a folder or a URI, else a folder in the home."""
    if storage is not None:
        return storage if "://" in storage else str(Path(storage).resolve())
    return str((home / "studies").resolve())


def parse_decimal(flag: str, text: str) -> Decimal:
    """A number from the command line, kept as the decimal that was written."""
    try:
        return Decimal(text.strip()).normalize()
    except InvalidOperation:
        raise InputError(f"{flag} {text!r} is not a number: write e.g. 0.99") from None


def parse_rates(text: str) -> tuple[Decimal, ...]:
    """Freezing rates from `0.95,0.99`."""
    return tuple(parse_decimal("--rates", part) for part in text.split(","))


def choose_question(
    default: Question, rates: Sequence[Decimal] | None, objective: str | None, keep: Decimal | None
) -> Question:
    """The question that the flags ask, else the space's own."""
    if keep is not None and objective != "smallest":
        raise InputError("--keep belongs to --objective smallest: write both")
    if objective not in (None, *OBJECTIVES):
        raise InputError(unknown("objective", str(objective), OBJECTIVES))
    if objective == "pareto":
        return Pareto(rates=tuple(rates)) if rates else Pareto()
    if objective == "smallest":
        anchors = tuple(rates) if rates else Smallest.rates
        return Smallest(keep=keep if keep is not None else Smallest.keep, rates=anchors)
    return Rates(tuple(rates)) if rates else default
