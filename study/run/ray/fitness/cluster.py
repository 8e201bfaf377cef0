"""Checks all nodes of a cluster at the same time; each problem is a line with the node's name."""

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.console import Console

from cops_core.errors import InputError
from cops_core.plugins import Plugin
from study.console import print_line
from study.run.ray.fitness.before_study import NodeReport, NodeRequirements, examine
from study.run.ray.fitness.checks import clock_problems
from study.run.ray.fitness.storage import Token
from study.run.ray.nodes import Node, alive_nodes
from study.run.ray.shared_data import received

ANSWER_TIMEOUT_S = 120.0  # a busy node takes long to start a process that imports torch


@dataclass(frozen=True, kw_only=True)
class NodeCheck:
    """A node with the results of its check.

    Attributes:
        node: The node.
        host: Its name; empty if it did not answer.
        gpus: The GPUs that torch can use, by name.
        problems: What is wrong, a line for each problem.
    """

    node: Node
    host: str
    gpus: Sequence[str]
    problems: Sequence[str]

    @property
    def name(self) -> str:
        """The node's address, and its host's name if it is known."""
        return f"{self.node.address} ({self.host})" if self.host else self.node.address


def check_nodes(
    *,
    storage: str,
    score_cache: Path,
    plugins: tuple[Plugin, ...],
    data: Any,
    data_sha256: str,
    use_gpus: bool,
    console: Console,
) -> list[NodeCheck]:
    """Check every node, and print each problem on one line.

    Args:
        storage: Where studies are.
        score_cache: A folder on each machine.
        plugins: Those that the study needs.
        data: The data set, see `DataShare`; None for none.
        data_sha256: Its hash; empty for none.
        use_gpus: Whether trials will be trained on GPUs.
        console: Receives the lines.

    Raises:
        InputError: The storage cannot be written here.
    """
    with console.status("checking the cluster's nodes"), Token(storage) as token:
        required = NodeRequirements(
            storage=storage,
            token=token.name,
            score_cache=str(score_cache),
            data_sha256=data_sha256,
            plugins=plugins,
        )
        checks = _check_all(required, data, use_gpus=use_gpus)
    for check in checks:
        for problem in check.problems:
            print_line(console, f"node {check.name}: {problem}", "red")
    return checks


def refuse_unfit(checks: Sequence[NodeCheck]) -> None:
    """Refuse a cluster with a node that has a problem.

    Raises:
        InputError: There is such a node.
    """
    unfit = [check.name for check in checks if check.problems]
    if unfit:
        raise InputError(
            f"{len(unfit)} of the cluster's {len(checks)} nodes cannot run this study"
            f" ({', '.join(unfit)}): fix the problems above, or remove these nodes"
        )


def _check_all(required: NodeRequirements, data: Any, *, use_gpus: bool) -> list[NodeCheck]:
    """Check every node.

    A node that is lost meanwhile is left out: Ray may take half a minute to notice the loss of a node.
    """
    nodes, start = alive_nodes(), time.time()
    pending = {
        _examine.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            required, int(node.gpus) if use_gpus else 0, None if data is None else [data]
        ): node
        for node in nodes
    }
    checks, waiting = [], list(pending)
    while waiting:
        remaining = max(start + ANSWER_TIMEOUT_S - time.time(), 0)
        ready, waiting = ray.wait(waiting, timeout=remaining)
        if not ready:
            break
        checks.append(_answered(pending[ready[0]], ready[0]))
    checks += [
        _failed(
            pending[task], f"it did not answer within {ANSWER_TIMEOUT_S:.0f} s: reduce its load, or remove it"
        )
        for task in waiting
    ]
    alive = {node.id for node in alive_nodes()}
    left = [check for check in checks if check.node.id in alive]
    return sorted(left, key=lambda check: (check.node.address, check.node.id))


def _answered(node: Node, task: Any) -> NodeCheck:
    try:
        report: NodeReport = ray.get(task)
    except ray.exceptions.RayError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
        return _failed(node, f"it could not be checked ({reason}): install this project there as on the head")
    problems = [*report.problems, *clock_problems(report.clock, time.time())]
    return NodeCheck(node=node, host=report.host, gpus=report.gpus, problems=problems)


def _failed(node: Node, problem: str) -> NodeCheck:
    return NodeCheck(node=node, host="", gpus=(), problems=[problem])


# In a separate process that sees all GPUs of its node, not only those that Ray assigns.
@ray.remote(num_cpus=0, max_calls=1, max_retries=0)
def _examine(required: NodeRequirements, gpus: int, data: list[Any] | None) -> NodeReport:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return examine(required, socket.gethostname(), gpus, None if data is None else lambda: received(data[0]))
