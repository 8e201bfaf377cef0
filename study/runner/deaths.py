"""How often a trial may lose its worker before that is its own fault."""

from collections import Counter

from ray.exceptions import RayActorError

# A worker that dies on a node that lives was probably killed by its trial. It is tried again this often.
WORKERS = 2
# A node that is lost, or taken back by its cloud, says nothing about the trial; only if that happens this
# often without an epoch in between, the trial is what takes the nodes down.
NODES = 5


class Deaths:
    """Counts the deaths of each trial's workers and nodes."""

    def __init__(self) -> None:
        self._workers: Counter[int] = Counter()
        self._nodes: Counter[int] = Counter()

    def progressed(self, number: int) -> None:
        """The trial has finished an epoch that it had not before."""
        del self._nodes[number]

    def count(self, number: int, *, node: bool) -> str | None:
        """One more death of the trial's worker. None if the trial goes on, else what killed it.

        node: the whole node was lost, and the worker with it.
        """
        counts, most = (self._nodes, NODES) if node else (self._workers, WORKERS)
        counts[number] += 1
        if counts[number] <= most:
            return None
        if node:
            return f"its node was lost {counts[number]} times without an epoch in between"
        return f"its worker died {counts[number]} times"


def node_is_lost(error: Exception | None) -> bool:
    """Whether a worker died because its node did: lost, shut down or preempted."""
    return isinstance(error, RayActorError) and (error.preempted or "its node has died" in str(error))
