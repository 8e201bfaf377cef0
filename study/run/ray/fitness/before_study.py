"""The check of a node before a study's first trial."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cops_core.data import ImageData
from cops_core.plugins import Plugin
from study.provenance import code_sha256, needed_versions
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
class NodeRequirements:
    """What every node must have: the same as the driver.

    Attributes:
        storage: Where studies are.
        token: The name of a file that the driver wrote for this check.
        score_cache: A folder on each machine.
        data_sha256: Of the data set that the node receives; empty for none.
        plugins: Those that the study needs.
        code_sha256: Of the driver's source.
        versions: Of the driver's packages.
    """

    storage: str
    token: str
    score_cache: str
    data_sha256: str = ""
    plugins: tuple[Plugin, ...] = ()
    code_sha256: str = field(default_factory=code_sha256)
    versions: Mapping[str, str] = field(default_factory=needed_versions)


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """The results of a node's check.

    Attributes:
        host: Its name.
        problems: What is wrong, a line for each problem.
        gpus: The GPUs that torch can use, by name.
        clock: Its time, in seconds since 1970.
    """

    host: str
    problems: tuple[str, ...]
    gpus: tuple[str, ...]
    clock: float


def examine(
    required: NodeRequirements, host: str, gpus: int, data: Callable[[], ImageData] | None = None
) -> NodeReport:
    """Check this machine.

    Args:
        required: What it must have.
        host: Its name.
        gpus: How many Ray has here; 0 if trials do not use them.
        data: Receives the data set; None for none.
    """
    problems = [
        *code_problems(required.code_sha256),
        *version_problems(required.versions),
        *token_problems(required.storage, required.token),
        *score_cache_problems(Path(required.score_cache)),
        *plugin_problems(required.plugins),
        *gpu_problems(gpus),
        *(() if data is None else data_problems(required.data_sha256, data)),
    ]
    found = gpu_names() if gpus else ()
    return NodeReport(host=host, problems=tuple(problems), gpus=found, clock=time.time())
