"""All nodes of a cluster are asked at once; each problem is a line that names the node."""

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
from study.run.ray.fitness.before_study import Answer, Expected, examine
from study.run.ray.fitness.checks import clock_problems
from study.run.ray.fitness.storage import Token
from study.run.ray.nodes import Node, alive_nodes
from study.run.ray.shared_data import received

ANSWER_S = 120.0  # a node that is busy takes long to start a process that imports torch


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A node, the GPUs that it has, by name, and what is wrong with it, a line each."""

    node: Node
    host: str
    gpus: Sequence[str]
    problems: Sequence[str]

    @property
    def name(self) -> str:
        """Its address, and its host's name where that is known."""
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
) -> list[Examined]:
    """Ask every node; what is wrong is printed, a line each.

    data: see `DataShare`, None for none. use_gpus: trials will train on them.

    Raises InputError if the storage cannot be written here.
    """
    with console.status("checking the cluster's nodes"), Token(storage) as token:
        expected = Expected(
            storage=storage,
            token=token.name,
            score_cache=str(score_cache),
            data_sha256=data_sha256,
            plugins=plugins,
        )
        examined = _ask_all(expected, data, use_gpus=use_gpus)
    for entry in examined:
        for problem in entry.problems:
            print_line(console, f"node {entry.name}: {problem}", "red")
    return examined


def refuse_unfit(examined: Sequence[Examined]) -> None:
    """Raises InputError if something is wrong with one of the nodes."""
    unfit = [entry.name for entry in examined if entry.problems]
    if unfit:
        raise InputError(
            f"{len(unfit)} of the cluster's {len(examined)} nodes cannot run this study"
            f" ({', '.join(unfit)}): fix what is said of each, or remove it"
        )


def _ask_all(expected: Expected, data: Any, *, use_gpus: bool) -> list[Examined]:
    """Every node's answer.

    A node that is lost meanwhile is left out: Ray may take half a minute to notice that it was before.
    """
    nodes, asked = alive_nodes(), time.time()
    pending = {
        _examine.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(
            expected, int(node.gpus) if use_gpus else 0, None if data is None else [data]
        ): node
        for node in nodes
    }
    examined, waiting = [], list(pending)
    while waiting:
        patience = max(asked + ANSWER_S - time.time(), 0)
        ready, waiting = ray.wait(waiting, timeout=patience)
        if not ready:
            break
        examined.append(_answered(pending[ready[0]], ready[0]))
    examined += [
        _silent(pending[task], f"it did not answer within {ANSWER_S:.0f} s: see its load, or remove it")
        for task in waiting
    ]
    there = {node.id for node in alive_nodes()}
    left = [entry for entry in examined if entry.node.id in there]
    return sorted(left, key=lambda entry: (entry.node.address, entry.node.id))


def _answered(node: Node, task: Any) -> Examined:
    try:
        answer: Answer = ray.get(task)
    except ray.exceptions.RayError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
        return _silent(node, f"it could not be asked ({reason}): install this project there as on the head")
    problems = [*answer.problems, *clock_problems(answer.clock, time.time())]
    return Examined(node=node, host=answer.host, gpus=answer.gpus, problems=problems)


def _silent(node: Node, problem: str) -> Examined:
    return Examined(node=node, host="", gpus=(), problems=[problem])


# In a process of its own: it looks at all GPUs of its node, whatever Ray has set aside.
@ray.remote(num_cpus=0, max_calls=1, max_retries=0)
def _examine(expected: Expected, gpus: int, data: list[Any] | None) -> Answer:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return examine(expected, socket.gethostname(), gpus, None if data is None else lambda: received(data[0]))
