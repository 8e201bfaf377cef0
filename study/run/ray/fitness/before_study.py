"""What a node is asked before a study's first trial, and what it answers."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cops_core.data import ImageData
from cops_core.plugins import Plugin
from study.provenance import code_sha256, versions
from study.run.ray.fitness.checks import (
    code_problems,
    data_problems,
    gpu_names,
    gpu_problems,
    plugin_problems,
    score_cache_problems,
    version_problems,
)
from study.run.ray.fitness.storage import token_problems


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


def examine(expected: Expected, host: str, gpus: int, data: Callable[[], ImageData] | None = None) -> Answer:
    """This machine's answer. gpus: how many Ray gives out here to trials that use them. data: as received."""
    problems = [
        *code_problems(expected.code_sha256),
        *version_problems(expected.versions),
        *token_problems(expected.storage, expected.token),
        *score_cache_problems(Path(expected.score_cache)),
        *plugin_problems(expected.plugins),
        *gpu_problems(gpus),
        *(() if data is None else data_problems(expected.data_sha256, data)),
    ]
    found = gpu_names() if gpus else ()
    return Answer(host=host, problems=tuple(problems), gpus=found, clock=time.time())
