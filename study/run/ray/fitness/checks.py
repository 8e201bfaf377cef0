"""Checks of this machine. Each yields a line for each problem, with advice; the node's name is put before it.

Without them a difference between nodes would become a failed trial, or would not be noticed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from cops_core.data import ImageData
from cops_core.errors import InputError
from cops_core.plugins import Plugin
from study.provenance import ABSENT, code_sha256, versions
from study.run.preflight import check_score_cache

CLOCK_S = 5.0  # a lease on an object store needs clocks that differ by less than half a minute


def code_problems(wanted: str) -> Iterator[str]:
    """The source must be the driver's. wanted: its `code_sha256`."""
    if (found := code_sha256()) != wanted:
        yield (
            f"its code differs ({found[:12]}, the driver's {wanted[:12]}): install the driver's commit there"
        )


def version_problems(wanted: Mapping[str, str]) -> Iterator[str]:
    """Packages must have the driver's versions. wanted: its `versions`."""
    for library, version in wanted.items():
        if (found := versions().get(library, ABSENT)) != version:
            yield f"its {library} is {found}, the driver's {version}: install it with -c constraints.txt"


def plugin_problems(plugins: Sequence[Plugin]) -> Iterator[str]:
    """The plugins must be loadable."""
    if plugins:
        from search_spaces.plugins import load_plugins  # imports Optuna

        try:
            load_plugins(plugins)
        except InputError as error:
            yield f"a plugin cannot be loaded there ({reason(error)}): install it there too"


def score_cache_problems(folder: Path) -> Iterator[str]:
    """The score cache must be writable."""
    try:
        check_score_cache(folder)
    except InputError as error:
        yield str(error)


def gpu_problems(wanted: int) -> Iterator[str]:
    """torch must be able to use as many GPUs as Ray has here."""
    if (found := len(gpu_names())) < wanted:
        yield (
            f"Ray has {wanted} GPUs there, and torch can use {found}: fix its GPU driver, or use --device cpu"
        )


def gpu_names() -> tuple[str, ...]:
    """The GPUs that torch can use here, by name."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return tuple(torch.cuda.get_device_name(index) for index in range(count))


def data_problems(wanted: str, receive: Callable[[], ImageData]) -> Iterator[str]:
    """The data set must arrive as it was sent. wanted: its SHA-256. receive: gives the data set."""
    try:
        found = receive().sha256
    except Exception as error:  # any error of the transfer between nodes
        yield f"the data set did not arrive there ({reason(error)}): give its object store more memory"
        return
    if found != wanted:
        yield f"the data set was altered on the way ({found[:12]}, sent {wanted[:12]}): check its memory"


def clock_problems(clock: float, now: float) -> Iterator[str]:
    """A node's clock must agree with the driver's. Both are in seconds since 1970."""
    if abs(clock - now) > CLOCK_S:
        yield f"its clock differs from the driver's by {clock - now:+.0f} s: set both by NTP"


def reason(error: Exception) -> str:
    """An error in at most one short line."""
    strerror = getattr(error, "strerror", None)
    return str(strerror or (str(error) or type(error).__name__).splitlines()[0][:160])
