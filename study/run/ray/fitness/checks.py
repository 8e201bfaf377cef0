"""What can be wrong with the machine that this runs on: each check once, a line for each problem.

Whatever differs between nodes would otherwise show as a failed trial, or not at all. A line says what to do,
and goes behind the node's name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch

from cops_core.data import ImageData
from cops_core.errors import InputError
from cops_core.plugins import Plugin
from study.provenance import code_sha256, versions
from study.run.preflight import check_score_cache

CLOCK_S = 5.0  # a lease on an object store needs clocks that agree to within half a minute


def code_problems(wanted: str) -> Iterator[str]:
    """The source is the driver's. wanted: its `code_sha256`."""
    if (found := code_sha256()) != wanted:
        yield (
            f"its code is another one ({found[:12]}, the driver's {wanted[:12]}):"
            " install the driver's commit there"
        )


def version_problems(wanted: Mapping[str, str]) -> Iterator[str]:
    """The source stands on the same versions as the driver's. wanted: its `versions`."""
    for library, version in wanted.items():
        if (found := versions().get(library)) != version:
            yield f"its {library} is {found}, the driver's {version}: install it with -c constraints.txt"


def plugin_problems(plugins: Sequence[Plugin]) -> Iterator[str]:
    """The plugins can be loaded."""
    if plugins:
        from search_spaces.plugins import load_plugins  # brings Optuna along

        try:
            load_plugins(plugins)
        except InputError as error:
            yield f"a plugin cannot be loaded there ({reason(error)}): install it there too"


def score_cache_problems(folder: Path) -> Iterator[str]:
    """The score cache can be written."""
    try:
        check_score_cache(folder)
    except InputError as error:
        yield str(error)


def gpu_problems(wanted: int) -> Iterator[str]:
    """torch can use as many GPUs as Ray gives out here."""
    if (found := len(gpu_names())) < wanted:
        yield (
            f"Ray gives out {wanted} GPUs there, and torch can use {found}: fix its driver, or rehearse with"
            " --device cpu"
        )


def gpu_names() -> tuple[str, ...]:
    """The GPUs that torch can use here, by name."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return tuple(torch.cuda.get_device_name(index) for index in range(count))


def data_problems(wanted: str, receive: Callable[[], ImageData]) -> Iterator[str]:
    """The data set arrives as it was sent. wanted: its SHA-256. receive: gives it."""
    try:
        found = receive().sha256
    except Exception as error:  # whatever the way from node to node may raise
        yield f"the data set did not arrive there ({reason(error)}): give its object store more memory"
        return
    if found != wanted:
        yield f"the data set arrived as another one ({found[:12]}, sent {wanted[:12]}): check its memory"


def clock_problems(clock: float, now: float) -> Iterator[str]:
    """A node's clock in its answer, against the driver's when that came; both in seconds since 1970."""
    if abs(clock - now) > CLOCK_S:
        yield f"its clock is {clock - now:+.0f} s off the driver's: set both by NTP"


def reason(error: Exception) -> str:
    """An error in a few words."""
    strerror = getattr(error, "strerror", None)
    return str(strerror or (str(error) or type(error).__name__).splitlines()[0][:160])
