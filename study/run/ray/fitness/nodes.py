"""The nodes of a cluster: which there are, and whether each is fit for a study."""

import os
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from study.run.ray.fitness.machine import Answer, Expected, clock_problems, examine
from study.run.ray.shared_data import received

ANSWER_S = 120.0  # a node that is busy takes long to start a process that imports torch


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that Ray says is alive. cpus, gpus: what it gives out to trials."""

    id: str
    address: str
    cpus: float
    gpus: float


@dataclass(frozen=True, kw_only=True)
class Examined:
    """A node, the GPUs that it has, by name, and what is wrong with it, a line each."""

    node: Node
    host: str
    gpus: Sequence[str]
    problems: Sequence[str]


def alive_nodes() -> list[Node]:
    """All nodes, by address."""
    nodes = [
        Node(
            id=entry["NodeID"],
            address=entry["NodeManagerAddress"],
            cpus=float(entry["Resources"].get("CPU", 0)),
            gpus=float(entry["Resources"].get("GPU", 0)),
        )
        for entry in ray.nodes()
        if entry["Alive"]
    ]
    return sorted(nodes, key=lambda node: (node.address, node.id))


def examine_nodes(expected: Expected, data: Any, *, use_gpus: bool) -> list[Examined]:
    """Every node's answer. data: of `DataShare`, None for none. use_gpus: trials will train on them.

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
        examined.append(_heard(pending[ready[0]], ready[0]))
    examined += [
        _silent(pending[task], f"it did not answer within {ANSWER_S:.0f} s: see its load, or remove it")
        for task in waiting
    ]
    there = {node.id for node in alive_nodes()}
    left = [entry for entry in examined if entry.node.id in there]
    return sorted(left, key=lambda entry: (entry.node.address, entry.node.id))


def places(cpus: int, gpus: float) -> int:
    """Trials that the nodes which are there now carry at once, each with so many CPUs and GPUs."""
    return sum(min(int(node.cpus // cpus), _gpu_places(node.gpus, gpus)) for node in alive_nodes())


def _gpu_places(there: float, each: float) -> int:
    """Trials that a node's GPUs carry: a trial has parts of one, or whole ones."""
    if each == 0:
        return sys.maxsize
    return int(there) * int(1 / each + 1e-6) if each < 1 else int(there / each)


def _heard(node: Node, task: Any) -> Examined:
    try:
        answer: Answer = ray.get(task)
    except ray.exceptions.RayError as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1][:200]
        return _silent(node, f"it could not be asked ({reason}): install this project there as on the head")
    wrong = [*answer.problems, *clock_problems(answer.clock, time.time())]
    return Examined(node=node, host=answer.host, gpus=answer.gpus, problems=wrong)


def _silent(node: Node, problem: str) -> Examined:
    return Examined(node=node, host="", gpus=(), problems=[problem])


# In a process of its own: it looks at all GPUs of its node, whatever Ray has set aside.
@ray.remote(num_cpus=0, max_calls=1, max_retries=0)
def _examine(expected: Expected, gpus: int, data: list[Any] | None) -> Answer:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    return examine(expected, socket.gethostname(), gpus, None if data is None else lambda: received(data[0]))
