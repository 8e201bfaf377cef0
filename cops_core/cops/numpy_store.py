"""Full passes over numpy arrays, with as many threads as torch uses."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from cops_core.cops.box import Cut
from cops_core.cops.eligible import Eligibility, find_eligibility
from cops_core.cops.filters import Buffers, EligibleFilter, Filter, JointFilter, Native
from cops_core.cops.problem import CopsProblem, check_values
from cops_core.cops.solution import Bools, Floats, Integers, MaskVector
from cops_core.cops.store import Scan, ScanPart, Store, count, decide
from cops_core.cops.sums import condense

CHUNK = 1 << 16
"""Weights per chunk: small enough for the second-level cache, large compared with numpy's overhead."""

MIN_CHUNKS = 4
"""The minimum number of chunks per thread."""

BATCH = 1 << 15
"""The number of weights that are gathered from chunks before they are decided together in float64."""

ChunkResult = TypeVar("ChunkResult")


class NumpyStore(Store):
    """Scores in main memory.

    Args:
        problem: The problem.
        scores: Its J + 1 scores as arrays of shape (D,).
    """

    def __init__(self, problem: CopsProblem, scores: Sequence[Native]) -> None:
        super().__init__(problem)
        self._dtype = np.result_type(*scores)
        self._scores = tuple(np.ascontiguousarray(score, dtype=self._dtype) for score in scores)
        self._starts = range(0, problem.size, CHUNK)
        self._extremes = np.full((len(self._starts), len(self._scores), 2), np.nan)
        self._checked = False

    def fetch(self, positions: Integers) -> Floats:
        """The scores at `positions`, shape (J + 1, n)."""
        if positions.size == self.problem.size:
            return np.array(self._scores, dtype=np.float64)
        rows = np.empty((len(self._scores), positions.size))
        for row, score in zip(rows, self._scores, strict=True):
            row[:] = score[positions]
        return rows

    def relevant(self) -> Integers:
        """Check the values of the scores, and leave out weights that are certainly never kept."""
        for chunk in range(len(self._starts)):
            self._measure(chunk)
        self._check()
        bounds = None
        if len(self._scores) <= 2 and self.problem.floors is None:
            bounds = find_eligibility(self._scores, self.problem.kappa)
        if bounds is None:
            return np.arange(self.problem.size)
        able, buffers, found = EligibleFilter(bounds, self._dtype), Buffers(CHUNK, self._dtype), []
        for chunk, start in enumerate(self._starts):
            inside, extremes = self._slice(chunk), self._extremes[chunk]
            marks = buffers.flags[0, : inside.stop - start]
            scores = [score[inside] for score in self._scores]
            largest = np.abs(extremes).max(axis=1).tolist()
            if not able.mark(scores, float(extremes.min()), largest, buffers, marks):
                marks[:] = True
            found.append(start + np.flatnonzero(marks))
        positions = np.concatenate(found)
        return positions if 2 * positions.size <= self.problem.size else np.arange(self.problem.size)

    def scan(self, cuts: Sequence[Cut], marked: int | None, bounds: Eligibility | None = None) -> list[Scan]:
        """Apply several cuts in one pass."""
        keep = None if marked is None else self.empty_mask()

        def work(chunks: range) -> list[tuple[list[ScanPart], Integers]]:
            sieve = _Sieve(cuts, bounds, self._dtype)
            deciders = [_Decider(cut, keep if number == marked else None) for number, cut in enumerate(cuts)]
            found, waiting, proof = [], 0, np.zeros(len(self._scores), dtype=np.intp)
            for chunk in chunks:
                if not self._checked:
                    self._measure(chunk)
                found.append(self._gather(chunk, sieve))
                waiting += found[-1].positions.size
                if waiting > BATCH or chunk == chunks[-1]:
                    batch = _together(found)
                    if bounds is not None:
                        proof += bounds.counts(batch.scores)
                    for decider in deciders:
                        decider.add(batch)
                    found, waiting = [], 0
            return [([decider.part() for decider in deciders], proof)]

        batches = self._in_threads(work)
        self._check()
        proof = np.sum([proof for _, proof in batches], axis=0)
        proved = bounds is None or bool(np.all(proof >= self.problem.kappa))
        return [
            self.gather(
                cut, [parts[number] for parts, _ in batches], keep if number == marked else None, proved
            )
            for number, cut in enumerate(cuts)
        ]

    def tips(self, bounds: Floats, highest: bool) -> Integers:
        """The weights with any score at or beyond its bound."""
        compare = np.greater_equal if highest else np.less_equal

        def visit(chunk: int) -> Integers:
            inside = self._slice(chunk)
            found = np.zeros(inside.stop - inside.start, dtype=bool)
            for score, bound in zip(self._scores, bounds, strict=True):
                found |= compare(score[inside], bound)
            return np.asarray(inside.start + np.flatnonzero(found))

        return np.concatenate(self._in_threads(lambda chunks: [visit(chunk) for chunk in chunks]))

    def absolute_sums(self) -> Floats:
        """sum_i |omega_ji| of each score, shape (J + 1,)."""

        def visit(chunk: int) -> Floats:
            self._measure(chunk)
            inside = self._slice(chunk)
            return np.array([np.abs(score[inside]).sum(dtype=np.float64) for score in self._scores])

        sums = np.sum(self._in_threads(lambda chunks: [visit(chunk) for chunk in chunks]), axis=0)
        self._check()
        return np.asarray(sums)

    def empty_mask(self) -> Bools:
        """A mask without any weight."""
        return np.zeros(self.problem.size, dtype=bool)

    def put(self, mask: MaskVector, positions: Integers) -> MaskVector:
        """Add `positions` to a mask in place."""
        mask[positions] = True
        return mask

    def _slice(self, chunk: int) -> slice:
        start = self._starts[chunk]
        return slice(start, min(start + CHUNK, self.problem.size))

    def _measure(self, chunk: int) -> None:
        inside = self._slice(chunk)
        for extremes, score in zip(self._extremes[chunk], self._scores, strict=True):
            extremes[:] = score[inside].min(), score[inside].max()

    def _check(self) -> None:
        if not self._checked:
            for number in range(len(self._scores)):
                lowest, highest = self._extremes[:, number, 0].min(), self._extremes[:, number, 1].max()
                check_values(number, float(lowest), float(highest), self.problem.kind)
        self._checked = True

    def _in_threads(self, work: Callable[[range], list[ChunkResult]]) -> list[ChunkResult]:
        """One full pass: each thread has consecutive chunks; their lists are joined in order."""
        self.passes += 1
        chunks = len(self._starts)
        workers = min(torch.get_num_threads(), max(chunks // MIN_CHUNKS, 1))
        bounds = [chunks * worker // workers for worker in range(workers + 1)]

        def quietly(worker: int) -> list[ChunkResult]:
            with np.errstate(over="ignore", invalid="ignore"):
                return work(range(bounds[worker], bounds[worker + 1]))

        if workers == 1:
            return quietly(0)
        with ThreadPoolExecutor(workers) as executor:
            return [result for results in executor.map(quietly, range(workers)) for result in results]

    def _gather(self, chunk: int, sieve: "_Sieve") -> "_Members":
        """The weights of a chunk that may be kept or undecided for any of the cuts."""
        inside = self._slice(chunk)
        scores = [score[inside] for score in self._scores]
        layers = None if self.problem.layers is None else self.problem.layers[inside]
        found = sieve.mark(scores, layers, self._extremes[chunk])
        members = np.flatnonzero(found)
        columns = np.empty((len(scores), members.size))
        for row, score in zip(columns, scores, strict=True):
            row[:] = score if members.size == score.size else score[members]
        return _Members(inside.start + members, columns, None if layers is None else layers[members])


class _Sieve:
    """Finds the weights that may be kept or undecided for any of several cuts, for one thread."""

    def __init__(self, cuts: Sequence[Cut], bounds: Eligibility | None, dtype: npt.DTypeLike) -> None:
        self._joint = JointFilter(cuts, dtype) if cuts else None
        self._eligible = None if bounds is None else EligibleFilter(bounds, dtype)
        self._filters = [Filter(cut, dtype) for cut in cuts]
        self._buffers = Buffers(CHUNK, dtype)

    def mark(self, scores: Sequence[Native], layers: Integers | None, extremes: Floats) -> Bools:
        """The marks for a chunk, shape (n,). `extremes`: lowest and highest of each score, (J + 1, 2)."""
        size = scores[0].size
        found: Bools = self._buffers.flags[0, :size]
        flags: Bools = self._buffers.flags[1, :size]
        largest = np.abs(extremes).max(axis=1).tolist()
        lowest = float(extremes.min())
        if self._eligible is not None and self._eligible.mark(scores, lowest, largest, self._buffers, found):
            return found
        joint = self._joint if lowest >= 0 else None
        if joint is not None and joint.mark(scores, largest, self._buffers, found):
            return found
        found[:] = False
        for one in self._filters:
            one.mark(scores, layers, largest, self._buffers, flags)
            np.logical_or(found, flags, out=found)
        return found


class _Decider:
    """Collects one thread's decisions for one cut, in float64."""

    def __init__(self, cut: Cut, keep: Bools | None) -> None:
        self._cut = cut
        self._filter = Filter(cut, np.float64)
        self._keep = keep
        self._undecided: list[_Members] = []
        self._waiting: list[Floats] = []
        self._kept_sums: list[tuple[Floats, Floats]] = []
        self._kept = np.zeros(cut.low.size, dtype=np.intp)
        self._counts = np.zeros((2, cut.low.size), dtype=np.intp)

    def add(self, batch: "_Members") -> None:
        """Decide some weights; those that are only relevant for other cuts are left out first."""
        near = np.empty(batch.positions.size, dtype=bool)
        largest = np.abs(batch.scores).max(axis=1, initial=0.0).tolist()
        buffers = Buffers(near.size, np.float64)
        self._filter.mark(list(batch.scores), batch.layers, largest, buffers, near)
        if 2 * np.count_nonzero(near) < near.size:
            batch = batch.only(np.flatnonzero(near))
        keep, undecided, counts = decide(self._cut, batch.scores, batch.layers)
        self._undecided.append(batch.only(np.flatnonzero(undecided)))
        self._waiting.append(batch.scores[self._cut.summed][:, keep])
        self._kept += count(keep, batch.layers, self._cut)
        self._counts += counts
        if self._keep is not None:
            self._keep[batch.positions[keep]] = True
        if sum(part.shape[1] for part in self._waiting) > 4 * BATCH:
            self._condense()

    def part(self) -> ScanPart:
        self._condense()
        members = _together(self._undecided)
        return ScanPart(
            members.positions, members.scores, members.layers, self._kept, self._kept_sums, self._counts
        )

    def _condense(self) -> None:
        rows, error = condense(np.concatenate(self._waiting, axis=1))
        sums, errors = np.zeros((self._cut.summed.size, rows.shape[1])), np.zeros(self._cut.summed.size)
        sums[self._cut.summed], errors[self._cut.summed] = rows, error
        self._kept_sums.append((sums, errors))
        self._waiting = [self._waiting[0][:, :0]]


@dataclass(frozen=True, eq=False)
class _Members:
    """Some weights: positions, shape (n,), scores, shape (J + 1, n), and layers."""

    positions: Integers
    scores: Floats
    layers: Integers | None

    def only(self, some: Integers) -> "_Members":
        layers = None if self.layers is None else self.layers[some]
        return _Members(self.positions[some], self.scores[:, some], layers)


def _together(found: Sequence[_Members]) -> _Members:
    layers = [members.layers for members in found if members.layers is not None]
    return _Members(
        np.concatenate([members.positions for members in found]),
        np.concatenate([members.scores for members in found], axis=1),
        np.concatenate(layers) if layers else None,
    )
