"""The nodes of a cluster according to Ray, and how many trials they can run."""

import sys
from dataclasses import dataclass

import ray


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that is alive according to Ray.

    Attributes:
        id: Ray's.
        address: Its IP address.
        cpus: How many it has for trials.
        gpus: How many it has for trials.
    """

    id: str
    address: str
    cpus: float
    gpus: float


def alive_nodes() -> list[Node]:
    """All nodes that are alive, ordered by address."""
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


def places(cpus: int, gpus: float) -> int:
    """How many trials the present nodes can run at the same time.

    Args:
        cpus: For each trial.
        gpus: For each trial; a part below 1 is shared.
    """
    return sum(min(int(node.cpus // cpus), _gpu_places(node.gpus, gpus)) for node in alive_nodes())


def _gpu_places(available: float, each: float) -> int:
    """How many trials a node's GPUs can run: each has a part of one GPU, or whole GPUs."""
    if each == 0:
        return sys.maxsize
    return int(available) * int(1 / each + 1e-6) if each < 1 else int(available / each)
