"""The nodes of a cluster, as Ray has them: which there are, and how many trials they carry."""

import sys
from dataclasses import dataclass

import ray


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that Ray says is alive. cpus, gpus: what it gives out to trials."""

    id: str
    address: str
    cpus: float
    gpus: float


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


def places(cpus: int, gpus: float) -> int:
    """Trials that the nodes which are there now carry at once, each with so many CPUs and GPUs."""
    return sum(min(int(node.cpus // cpus), _gpu_places(node.gpus, gpus)) for node in alive_nodes())


def _gpu_places(there: float, each: float) -> int:
    """Trials that a node's GPUs carry: a trial has parts of one, or whole ones."""
    if each == 0:
        return sys.maxsize
    return int(there) * int(1 / each + 1e-6) if each < 1 else int(there / each)
