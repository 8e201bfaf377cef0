"""Full passes over numpy arrays, on as many threads as torch is given."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from cops_core.cops.box import Cut
from cops_core.cops.problem import Problem, check_values
from cops_core.cops.solution import Bools, Floats, Integers
from cops_core.cops.store import Part, Scan, Store, count, judge
from cops_core.cops.sums import condense

CHUNK = 1 << 16
"""Weights per chunk: small enough for the second-level cache, large against numpy's overhead."""

BATCH = 1 << 15
"""Weights gathered from chunks before they are judged together in float64."""

Result = TypeVar("Result")
Native = npt.NDArray[np.floating]


class NumpyStore(Store[Bools]):
    """Scores in main memory."""

    def __init__(self, problem: Problem, scores: Sequence[Native]) -> None:
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

    def scan(self, cuts: Sequence[Cut], marked: int | None) -> list[Scan[Bools]]:
        """Apply several cuts in one pass."""
        keep = None if marked is None else self.empty_mask()

        def work(chunks: range) -> list[list[Part]]:
            buffers = _Buffers(self._dtype, len(cuts))
            filters = [_Filter(cut, self._dtype) for cut in cuts]
            judges = [_Judge(n, cut, keep if n == marked else None) for n, cut in enumerate(cuts)]
            found, waiting = [], 0
            for chunk in chunks:
                found.append(self._gather(chunk, filters, buffers))
                waiting += found[-1].positions.size
                if waiting > BATCH or chunk == chunks[-1]:
                    batch = _together(found)
                    for judge in judges:
                        judge.add(batch)
                    found, waiting = [], 0
            return [[judge.part() for judge in judges]]

        batches = self._in_threads(work)
        self._check()
        return [
            self.gather(cut, [batch[number] for batch in batches], keep if number == marked else None)
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

    def put(self, mask: Bools, positions: Integers) -> Bools:
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

    def _in_threads(self, work: Callable[[range], list[Result]]) -> list[Result]:
        """One full pass: give each thread a run of chunks, and put their lists together in order."""
        self.passes += 1
        chunks = len(self._starts)
        workers = min(torch.get_num_threads(), chunks)
        bounds = [chunks * worker // workers for worker in range(workers + 1)]

        def quietly(worker: int) -> list[Result]:
            with np.errstate(over="ignore", invalid="ignore"):
                return work(range(bounds[worker], bounds[worker + 1]))

        if workers == 1:
            return quietly(0)
        with ThreadPoolExecutor(workers) as executor:
            return [result for results in executor.map(quietly, range(workers)) for result in results]

    def _gather(self, chunk: int, filters: Sequence["_Filter"], buffers: "_Buffers") -> "_Members":
        """The weights of a chunk that any of the cuts may keep or leave undecided."""
        if not self._checked:
            self._measure(chunk)
        inside = self._slice(chunk)
        scores = [score[inside] for score in self._scores]
        layers = None if self.problem.layers is None else self.problem.layers[inside]
        size = scores[0].size
        largest = np.abs(self._extremes[chunk]).max(axis=1).tolist()
        flags = buffers.flags[:, :size]
        for reach, out in zip(filters, flags, strict=True):
            reach.mark(scores, layers, largest, buffers, out)
        members = np.flatnonzero(np.logical_or.reduce(flags, axis=0, out=buffers.any[:size]))
        columns = np.empty((len(scores), members.size))
        for row, score in zip(columns, scores, strict=True):
            row[:] = score if members.size == size else score[members]
        return _Members(
            inside.start + members, columns, None if layers is None else layers[members], flags[:, members]
        )


class _Filter:
    """Which weights may reach the lower bound of a cut, judged in the scores' own precision."""

    def __init__(self, cut: Cut, dtype: npt.DTypeLike) -> None:
        info = np.finfo(dtype)
        self._cut = cut
        self._weights = cut.box.weights.tolist()
        self._radii = cut.box.radii.tolist()
        self._shifts = (cut.box.radii * cut.centres).tolist()
        self._most = (cut.box.weights + cut.box.radii).tolist()
        self._constant = float(np.abs(cut.box.radii * cut.centres).sum())
        self._limit = float(info.max) / 4
        self._rounding = (8 * len(self._weights) + 32) * float(info.eps)
        self._smallest = (8 * len(self._weights) + 32) * float(info.tiny)

    def mark(
        self,
        scores: list[Native],
        layers: Integers | None,
        largest: list[float],
        buffers: "_Buffers",
        out: Bools,
    ) -> None:
        """Write to `out`, shape (n,), for a chunk of n weights. largest: each score's magnitude there."""
        size = scores[0].size
        total, scratch = buffers.total[:size], buffers.scratch[:size]
        magnitude = self._constant + sum(most * top for most, top in zip(self._most, largest, strict=True))
        if not magnitude < self._limit:
            out[:] = True
            return
        upper = self._upper(scores, total, scratch)
        low = self._cut.low
        margin = self._rounding * (magnitude + np.abs(low)) + self._smallest
        bound = np.where(np.isfinite(low), low - margin, low)
        np.greater_equal(upper, float(bound[0]) if layers is None else bound[layers], out=out)

    def _upper(self, scores: list[Native], total: Native, scratch: Native) -> Native:
        """s + r, into `total`; a single score of weight 1 is returned as it is."""
        sums: Native | None = None
        for weight, score in zip(self._weights, scores, strict=True):
            if weight:
                out = total if sums is None else scratch
                term = score if weight == 1.0 else np.multiply(score, weight, out=out)
                sums = term if sums is None else np.add(sums, term, out=total)
        if sums is None:
            total[:] = 0.0
            sums = total
        for radius, shift, score in zip(self._radii, self._shifts, scores, strict=True):
            if radius:
                np.multiply(score, radius, out=scratch)
                np.subtract(scratch, shift, out=scratch)
                np.abs(scratch, out=scratch)
                sums = np.add(sums, scratch, out=total)
        return sums


class _Judge:
    """Collects what one thread finds for one cut, in float64."""

    def __init__(self, number: int, cut: Cut, keep: Bools | None) -> None:
        self._number = number
        self._cut = cut
        self._keep = keep
        self._undecided: list[_Members] = []
        self._waiting: list[Floats] = []
        self._held: list[tuple[Floats, Floats]] = []
        self._kept = np.zeros(cut.low.size, dtype=np.intp)
        self._counts = np.zeros((2, cut.low.size), dtype=np.intp)

    def add(self, batch: "_Members") -> None:
        batch = batch.only(np.flatnonzero(batch.reached[self._number]))
        keep, undecided, counts = judge(self._cut, batch.scores, batch.layers)
        self._undecided.append(batch.only(np.flatnonzero(undecided)))
        self._waiting.append(batch.scores[self._cut.summed][:, keep])
        self._kept += count(keep, batch.layers, self._cut)
        self._counts += counts
        if self._keep is not None:
            self._keep[batch.positions[keep]] = True
        if sum(part.shape[1] for part in self._waiting) > 4 * BATCH:
            self._condense()

    def part(self) -> Part:
        self._condense()
        members = _together(self._undecided)
        return Part(members.positions, members.scores, members.layers, self._kept, self._held, self._counts)

    def _condense(self) -> None:
        rows, error = condense(np.concatenate(self._waiting, axis=1))
        held, errors = np.zeros((self._cut.summed.size, rows.shape[1])), np.zeros(self._cut.summed.size)
        held[self._cut.summed], errors[self._cut.summed] = rows, error
        self._held.append((held, errors))
        self._waiting = [self._waiting[0][:, :0]]


@dataclass(frozen=True, eq=False)
class _Members:
    """Some weights, and which of the cuts they may reach, shape (number of cuts, n)."""

    positions: Integers
    scores: Floats
    layers: Integers | None
    reached: Bools

    def only(self, some: Integers) -> "_Members":
        layers = None if self.layers is None else self.layers[some]
        return _Members(self.positions[some], self.scores[:, some], layers, self.reached[:, some])


def _together(found: Sequence[_Members]) -> _Members:
    layers = [members.layers for members in found if members.layers is not None]
    return _Members(
        np.concatenate([members.positions for members in found]),
        np.concatenate([members.scores for members in found], axis=1),
        np.concatenate(layers) if layers else None,
        np.concatenate([members.reached for members in found], axis=1),
    )


class _Buffers:
    """Scratch space of one thread."""

    def __init__(self, dtype: npt.DTypeLike, cuts: int) -> None:
        self.total: Native = np.empty(CHUNK, dtype=dtype)
        self.scratch: Native = np.empty(CHUNK, dtype=dtype)
        self.flags = np.empty((cuts, CHUNK), dtype=bool)
        self.any = np.empty(CHUNK, dtype=bool)
