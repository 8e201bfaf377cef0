"""Is this machine fit to run a study's trials? Asked on every node of a cluster.

Whatever differs between nodes would otherwise show as a failed trial, or not at all.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import torch

from cops_core.data import ImageData
from cops_core.errors import InputError
from cops_core.plugins import Plugin
from search_spaces.plugins import load_plugins
from study.provenance import code_sha256, versions
from study.records.folder import Folder
from study.run.preflight import check_score_cache

# Beside the studies, whose names begin with a letter or a digit.
TOKENS = "_check"
CLOCK_S = 5.0  # a lease on an object store needs clocks that agree to within half a minute


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the driver has, and every node must have.

    storage: where the studies lie. token: a name of this check alone, for a file that the driver wrote.
    score_cache: a folder on each machine. data_sha256: of the data set that is sent along; empty for none.
    """

    storage: str
    token: str
    score_cache: str
    data_sha256: str = ""
    plugins: tuple[Plugin, ...] = ()
    code_sha256: str = field(default_factory=code_sha256)
    versions: Mapping[str, str] = field(default_factory=lambda: dict(versions()))


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a node says of itself. clock: in seconds since 1970."""

    host: str
    problems: tuple[str, ...]
    gpus: tuple[str, ...]
    clock: float


class Token:
    """A file of this check in the storage, while it lasts: whoever sees it has the same storage."""

    def __init__(self, storage: str) -> None:
        self.name = uuid4().hex
        self.folder = Folder(storage, TOKENS)

    def __enter__(self) -> "Token":
        try:
            self.folder.make()
            self.folder.write(self.name, self.name.encode())
        except OSError as error:
            raise InputError(
                f"storage {self.folder.path} cannot be written ({_reason(error)}): choose another --storage"
            ) from error
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            for name in self.folder.files():
                if name.startswith(self.name):
                    self.folder.delete(name)


def examine(expected: Expected, host: str, gpus: int, data: Callable[[], ImageData] | None = None) -> Answer:
    """This machine's answer. gpus: how many Ray gives out here to trials that use them. data: as received."""
    found = gpu_names() if gpus else ()
    problems = [
        *code_problems(expected),
        *storage_problems(expected),
        *score_cache_problems(Path(expected.score_cache)),
        *_plugin_problems(expected.plugins),
        *(_gpu_problems(found, gpus) if gpus else ()),
        *(_data_problems(expected, data) if data is not None else ()),
    ]
    return Answer(host=host, problems=tuple(problems), gpus=found, clock=time.time())


def code_problems(expected: Expected) -> Iterator[str]:
    """The same source, and the same versions of what it stands on."""
    if code_sha256() != expected.code_sha256:
        yield (
            f"its code is another one ({code_sha256()[:12]}, the driver's {expected.code_sha256[:12]}):"
            " install the driver's commit there"
        )
    for library, wanted in expected.versions.items():
        if (found := versions().get(library)) != wanted:
            yield f"its {library} is {found}, the driver's {wanted}: install the same (constraints.txt)"


def storage_problems(expected: Expected) -> Iterator[str]:
    """The driver's file is seen, and one can be written beside it."""
    try:
        folder = Folder(expected.storage, TOKENS)
        if not folder.has(expected.token):
            yield (
                f"it does not see what the driver wrote to {expected.storage}: choose a --storage that all"
                " nodes share"
            )
            return
        folder.write(f"{expected.token}.{uuid4().hex}", b"")
    except (OSError, InputError) as error:
        yield f"storage {expected.storage} cannot be used there ({_reason(error)}): mend its access rights"


def score_cache_problems(folder: Path) -> Iterator[str]:
    """The score cache can be written."""
    try:
        check_score_cache(folder)
    except InputError as error:
        yield str(error)


def _plugin_problems(plugins: tuple[Plugin, ...]) -> Iterator[str]:
    """They can be loaded."""
    try:
        load_plugins(plugins)
    except InputError as error:
        yield f"a plugin cannot be loaded there ({_reason(error)}): install it there too"


def gpu_names() -> tuple[str, ...]:
    """The GPUs that torch can use here, by name."""
    return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))


def _gpu_problems(found: tuple[str, ...], declared: int) -> Iterator[str]:
    if len(found) < declared:
        yield (
            f"Ray gives out {declared} GPUs there, and torch can use {len(found)}: mend its driver, or"
            " rehearse with --device cpu"
        )


def _data_problems(expected: Expected, data: Callable[[], ImageData]) -> Iterator[str]:
    try:
        found = data().sha256
    except Exception as error:  # whatever the way from node to node may raise
        yield f"the data set did not arrive there ({_reason(error)}): give its object store more memory"
        return
    if found != expected.data_sha256:
        sent = expected.data_sha256[:12]
        yield f"the data set arrived as another one ({found[:12]}, sent {sent}): check its memory"


def clock_problems(clock: float, now: float) -> Iterator[str]:
    """A node's clock in its answer, against the driver's when that came; both in seconds since 1970."""
    if abs(clock - now) > CLOCK_S:
        yield f"its clock is {clock - now:+.0f} s off the driver's: set both by NTP"


def _reason(error: Exception) -> str:
    strerror = getattr(error, "strerror", None)
    return str(strerror or (str(error) or type(error).__name__).splitlines()[0][:160])
