"""How often a trial may lose its worker before that is its own fault."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass

# A worker that dies on a node that lives was probably killed by its trial. It is tried again this often.
WORKERS = 2
# A node that is lost, or taken back by its cloud, says nothing about the trial; only if it loses worker or
# node this often without an epoch in between, it is what takes them down.
IN_A_ROW = 8
# Ray may take half a minute to notice that a node is lost, and says until then that the worker died.
NOTICED_S = 45.0


@dataclass(frozen=True)
class Death:
    """Of a worker: when, in seconds of a steady clock, and on which node, as far as that is known."""

    at: float
    node: str


class Deaths:
    """Counts the deaths of each trial's workers and nodes.

    alive: the ids of all nodes that Ray says are alive. own: the driver's, which cannot be lost without it.
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
        """The trial has finished an epoch that it had not before."""
        del self._in_a_row[number]

    def count(self, number: int, node: str) -> str | None:
        """One more death of the trial's worker. None if the trial goes on, else what killed it.

        node: where the trial was last heard of; empty if it was not.
        """
        self._deaths[number].append(Death(self._now(), node))
        self._in_a_row[number] += 1
        workers = sum(map(self._is_the_workers_own, self._deaths[number]))
        if workers > WORKERS:
            return f"its worker died {workers} times"
        if self._in_a_row[number] > IN_A_ROW:
            return f"its worker or node died {self._in_a_row[number]} times without an epoch in between"
        return None

    def _is_the_workers_own(self, death: Death) -> bool:
        """Whether its node lives on; of one that may yet be found to be lost that is not known."""
        if death.node in ("", self._own):
            return True
        return death.node in self._alive() and self._now() - death.at > NOTICED_S
