"""The optimum over all weights: guess a box from a sample, decide in one pass, solve the rest.

The bounds that a pass applies are guesses. The pass counts what it decides and so verifies them. The optimum
over the undecided weights is that over all weights if it lies in the box. If either condition fails, the
next pass is wider: only verified results are returned.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cops_core.cops.box import Box
from cops_core.cops.bracket import solve_bracket
from cops_core.cops.draw import WHOLE, draw, guess, many_floors
from cops_core.cops.floored import without_never_kept
from cops_core.cops.levels import own_mask
from cops_core.cops.narrow import solve_narrowing
from cops_core.cops.pool import Pool
from cops_core.cops.sample import Sample, box_around, cut_for, measure, rough_box, useful_bounds
from cops_core.cops.solution import Floats, MaskVector
from cops_core.cops.store import Scan, Store
from cops_core.cops.vertex import PoolOptimum, Task

ROUNDS = 12
"""The maximum number of passes for one box; one is usual."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """The optimum over all weights.

    Attributes:
        answer: The optimum over the undecided weights.
        pool: The undecided weights.
        box: Where the pool represents all weights; None if it contains all of them.
        keep: The kept ones of the decided weights, shape (D,), if requested.
    """

    answer: PoolOptimum
    pool: Pool
    box: Box | None
    keep: MaskVector | None


class Search(ABC):
    """Finds optima over the weights of one store.

    Attributes:
        store: The scores.
        sums: For each score, the sums of all scores over its own best mask, shape (J + 1,).
        units: The magnitude of each score, shape (J + 1,).
    """

    store: Store
    sums: Sequence[Floats]
    units: Floats

    @abstractmethod
    def select(self, weights: Floats, marked: bool) -> Optimum:
        """The pool in which the best mask of a combined score is decided.

        Args:
            weights: w, shape (J + 1,).
            marked: Whether the mask over all weights is needed.

        Returns:
            The pool, with `weights` as the answer.
        """

    @abstractmethod
    def find(self, question: int, task: Task) -> Optimum | None:
        """The optimum for a question.

        Args:
            question: The question's number.
            task: Its levels, without a step.

        Returns:
            The optimum; None if the search did not succeed.
        """

    @abstractmethod
    def reach(self, question: int, task: Task) -> Optimum | None:
        """The highest levels that are feasible together.

        Args:
            question: The question's number.
            task: Its start and step.

        Returns:
            The optimum; None if the search did not succeed.
        """


def open_search(store: Store, questions: Sequence[Floats], marked: bool) -> Search:
    """A search for some questions.

    Args:
        store: The scores.
        questions: Levels as the user states them, each of shape (J,).
        marked: Whether the first question's mask over all weights is needed.

    Returns:
        The search.
    """
    sample = draw(store)
    if sample is None:
        return MemorySearch(store)
    return PassSearch(store, sample, questions, marked)


def solve_pool(pool: Pool, task: Task, box: Box | None, start: Floats | None = None) -> PoolOptimum:
    """The exact optimum over a pool, in memory.

    Args:
        pool: The undecided weights.
        task: The levels, perhaps with a step.
        box: Where the optimum is expected, None for anywhere.
        start: Multipliers to begin with for one control, shape (J,), or None.

    Returns:
        The optimum.
    """
    if task.levels.size > 1:
        return solve_narrowing(pool, task, box)
    return solve_bracket(pool, task, box, None if start is None else np.append(1.0, start))


class MemorySearch(Search):
    """The search for a problem that is small enough to be solved in memory, without passes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        pool = store.everything()
        if many_floors(store.problem) and pool.size > WHOLE[0]:
            pool = without_never_kept(pool)
        self._sample = measure(pool, noisy=False)
        self.sums = self._sample.sums
        self.units = self._sample.units

    def select(self, weights: Floats, marked: bool) -> Optimum:
        """The pool in which the best mask of `weights` is decided."""
        del marked
        return self._found(PoolOptimum(weights, np.zeros(0), "optimal"))

    def find(self, question: int, task: Task) -> Optimum | None:
        """The optimum for one question."""
        del question
        start = self.store.problem.start
        answer = solve_pool(self._sample.pool, task, None, guess(self.store) if start is None else start)
        return None if answer.state == "stuck" else self._found(answer)

    def reach(self, question: int, task: Task) -> Optimum | None:
        """How far the levels of a question can be raised together."""
        return self.find(question, task)

    def _found(self, answer: PoolOptimum) -> Optimum:
        return Optimum(answer, self._sample.pool, None, self.store.empty_mask())


class PassSearch(Search):
    """The search for a problem with many weights. Its first pass finds the levels and tries all boxes.

    Args:
        store: The scores.
        sample: A sample of the weights.
        questions: Levels as the user states them, each of shape (J,).
        marked: Whether the first question's mask over all weights is needed.
    """

    def __init__(self, store: Store, sample: Sample, questions: Sequence[Floats], marked: bool) -> None:
        self.store = store
        self.units = sample.units
        self._sample: Sample = sample
        self._questions: Sequence[Floats] = questions
        self._boxes: list[Box] = []
        for values in questions:
            self._boxes.append(self._guess(values))
        own: list[Box] = [Box.point(weights) for weights in np.eye(self.units.size)]
        controls = np.arange(self.units.size) >= (1 if marked else 0)  # unmarked, `select` needs them all
        cuts = [
            cut_for(sample, box, sample.sigmas, box.weights > 0 if number else controls)
            for number, box in enumerate(own)
        ]
        cuts += [cut_for(sample, box, sample.sigmas) for box in self._boxes]
        scans = store.scan(cuts, len(own) if marked else None, useful_bounds(sample, cuts))
        pools = [
            scan.pool if scan.valid else _selected(store, sample, box, False).pool
            for scan, box in zip(scans, own, strict=False)
        ]
        self._target_pool: Pool | None = None if marked else pools[0]
        self._tried: list[Scan] = scans[len(own) :]
        self.sums = [pool.totals(own_mask(pool, number)) for number, pool in enumerate(pools)]

    def select(self, weights: Floats, marked: bool) -> Optimum:
        """The pool in which the best mask of `weights` is decided."""
        target = np.eye(self.units.size)[0]
        if not marked and self._target_pool is not None and np.array_equal(weights, target):
            return Optimum(PoolOptimum(weights, np.zeros(0), "optimal"), self._target_pool, None, None)
        scan = _selected(self.store, self._sample, Box.point(weights), marked)
        return Optimum(PoolOptimum(weights, np.zeros(0), "optimal"), scan.pool, None, scan.keep)

    def find(self, question: int, task: Task) -> Optimum | None:
        """The optimum for one question."""
        return self._locate(task, self._boxes[question], self._tried[question], 1.0)

    def reach(self, question: int, task: Task) -> Optimum | None:
        """How far the levels of a question can be raised together."""
        levels = self._sample.levels(self._questions[question], self.store.problem.kind)
        rough = replace(task, levels=levels.start, step=levels.step, rough=self._rough())
        guess = solve_pool(self._sample.pool, rough, None)
        box = box_around(self._sample, guess.weights, self._questions[question], self.store.problem.kind)
        return self._locate(task, box, None, 0.5)

    def _guess(self, values: Floats) -> Box:
        """The box in which the sample expects the optimum of a question, starting from the previous one."""
        kind = self.store.problem.kind
        levels = self._sample.levels(values, kind)
        weights = np.eye(self.units.size)[0]
        if not levels.met_by_target:
            start = None
            if self._boxes and weights.size > 2:
                start = rough_box(self._boxes[-1].weights, self.units, 1.0)
            task = Task(levels.wanted, None, self.units, self._rough())
            weights = solve_pool(self._sample.pool, task, start, self.store.problem.start).weights
        return box_around(self._sample, weights, values, kind)

    def _rough(self) -> int:
        """The number of weights of the sample's mask that may be wrong: a fraction of its noise."""
        places = min(self._sample.pool.places, self._sample.drawn - self._sample.pool.places)
        return math.isqrt(max(places, 0)) // 3 if self._sample.noisy else 0

    def _locate(self, task: Task, box: Box, scan: Scan | None, inside: float) -> Optimum | None:
        sigmas = self._sample.sigmas
        for attempt in range(ROUNDS):
            if scan is None:
                scan = self.store.scan([cut_for(self._sample, box, sigmas)], 0)[0]
            if scan.valid:
                answer = solve_pool(scan.pool, task, box)
                if answer.state == "stuck":
                    return None
                if box.contains(answer.weights) and box.distance(answer.weights) <= inside:
                    return Optimum(answer, scan.pool, box, scan.keep)
                box = box.wider(answer.aim(box.weights, self.units), self.units, 1.0 + attempt).positive()
            else:
                sigmas = _wider(sigmas)
            scan = None
        return None


def _selected(store: Store, sample: Sample, box: Box, marked: bool) -> Scan:
    """A valid scan for a box of one point, with bounds that widen until they are valid."""
    sigmas = sample.sigmas
    while True:
        scan = store.scan([cut_for(sample, box, sigmas)], 0 if marked else None)[0]
        if scan.valid:
            return scan
        sigmas = _wider(sigmas)


def _wider(sigmas: float) -> float:
    """More noise to allow for, finally infinite: every weight is then undecided."""
    return 4.0 * max(sigmas, 1.0) if sigmas < 1e9 else np.inf
