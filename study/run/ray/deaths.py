"""Decides whether a trial that has lost its worker is resumed, or has failed."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

# A worker that dies on a node that is alive was probably killed by its trial, which is retried this often.
WORKERS = 2
# The loss of a node, e.g. a preemption, does not depend on the trial. But a trial that loses its worker or
# node this often without an epoch in between is probably the cause.
IN_A_ROW = 8
# Ray may take half a minute to notice that a node is lost; until then it reports a dead worker.
NOTICED_S = 45.0


@dataclass(frozen=True)
class Death:
    """The death of a worker.

    Attributes:
        at: The time, in seconds of a monotonic clock.
        node: The id of its node; empty if it is not known.
    """

    at: float
    node: str


class Deaths:
    """Counts the deaths of each trial's workers and nodes.

    Args:
        alive: Gives the ids of all nodes that are alive according to Ray.
        own: The id of the driver's node.
        now: A clock in seconds.
    """

    def __init__(
        self, alive: Callable[[], Collection[str]], own: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._alive = alive
        self._own = own
        self._now = now
        self._deaths: defaultdict[int, list[Death]] = defaultdict(list)
        self._in_a_row: Counter[int] = Counter()

    def progressed(self, number: int) -> None:
        """Receive a new epoch of the trial with this number."""
        del self._in_a_row[number]

    def count(self, number: int, node: str) -> str | None:
        """Count one more death of a trial's worker.

        Args:
            number: The trial's.
            node: The id of the last known node of the trial; empty if there is none.

        Returns:
            None if the trial is to be resumed, else why it has failed.
        """
        self._deaths[number].append(Death(self._now(), node))
        self._in_a_row[number] += 1
        workers = sum(map(self._only_the_worker, self._deaths[number]))
        if workers > WORKERS:
            return f"its worker died {workers} times"
        if self._in_a_row[number] > IN_A_ROW:
            return f"its worker or node died {self._in_a_row[number]} times without an epoch in between"
        return None

    def _only_the_worker(self, death: Death) -> bool:
        """Whether the worker died without its node. False as long as Ray may not have noticed a lost node."""
        if death.node in ("", self._own):
            return True
        return death.node in self._alive() and self._now() - death.at > NOTICED_S
