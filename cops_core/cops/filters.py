"""Fast and safe filters for a chunk of weights, in the precision of the scores.

A filter may pass weights that a cut would remove, never the other way round: what it passes is decided in
float64. A margin covers the rounding errors in the scores' precision.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cops_core.cops.box import Cut
from cops_core.cops.eligible import Eligibility
from cops_core.cops.solution import Bools, Floats, Integers

Native = npt.NDArray[np.floating]


class Buffers:
    """Scratch space of one thread.

    Args:
        size: The largest number of weights of a chunk.
        dtype: The precision of the scores.
    """

    def __init__(self, size: int, dtype: npt.DTypeLike) -> None:
        self.total: Native = np.empty(size, dtype=dtype)
        self.scratch: Native = np.empty(size, dtype=dtype)
        self.flags = np.empty((2, size), dtype=bool)


class Filter:
    """Finds the weights that may reach the lower bound of one cut.

    Args:
        cut: The cut.
        dtype: The precision of the scores.
    """

    def __init__(self, cut: Cut, dtype: npt.DTypeLike) -> None:
        info = np.finfo(dtype)
        self._low = cut.low
        self._weights = cut.box.weights.tolist()
        self._radii = cut.box.radii.tolist()
        self._shifts = (cut.box.radii * cut.centres).tolist()
        self._most = (cut.box.weights + cut.box.radii).tolist()
        self._constant = float(np.abs(cut.box.radii * cut.centres).sum())
        self._limit = float(info.max) / 4
        steps = 8 * len(self._weights) + 32
        self._rounding = steps * float(info.eps)
        self._smallest = steps * float(info.tiny)

    def mark(
        self,
        scores: Sequence[Native],
        layers: Integers | None,
        largest: list[float],
        buffers: Buffers,
        out: Bools,
    ) -> None:
        """Mark the weights that may reach the bound.

        Args:
            scores: J + 1 arrays of shape (n,).
            layers: The layer of each weight, shape (n,), or None without floors.
            largest: The largest magnitude of each score.
            buffers: Scratch space for at least n weights.
            out: The result is written here, shape (n,).
        """
        size = scores[0].size
        magnitude = self._constant + sum(most * top for most, top in zip(self._most, largest, strict=True))
        if not magnitude < self._limit:
            out[:] = True
            return
        upper = self._upper(scores, buffers.total[:size], buffers.scratch[:size])
        margin = self._rounding * (magnitude + np.abs(self._low)) + self._smallest
        bound = np.where(np.isfinite(self._low), self._low - margin, self._low)
        np.greater_equal(upper, float(bound[0]) if layers is None else bound[layers], out=out)

    def _upper(self, scores: Sequence[Native], total: Native, scratch: Native) -> Native:
        """s + r, written to `total`; a single score of weight 1 is returned itself."""
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


class JointFilter:
    """Finds the weights that may reach the lower bound of any of several cuts, for non-negative scores.

    s_i + r_i <= sum_j (w_j + radius_j) omega_ij + sum_j radius_j mu_j for non-negative scores. With A_j the
    largest (w_j + radius_j) / (low - sum_j radius_j mu_j) of any cut, a weight with sum_j A_j omega_ij < 1
    reaches none of them: one sum instead of one for each cut.

    Args:
        cuts: The cuts, at least one.
        dtype: The precision of the scores.
    """

    def __init__(self, cuts: Sequence[Cut], dtype: npt.DTypeLike) -> None:
        info = np.finfo(dtype)
        self._bound = 1.0 - (8 * len(cuts[0].centres) + 32) * float(info.eps)
        room = np.array([cut.low.min() - cut.box.radii @ cut.centres for cut in cuts])
        most = np.array([cut.box.weights + cut.box.radii for cut in cuts])
        self._slopes: list[float] = []
        if np.all(room > 0) and np.all(np.isfinite(room)):
            slopes: Floats = (most / room[:, None]).max(axis=0)
            self._slopes = slopes.tolist()
        self._limit = float(info.max) / 4

    def mark(self, scores: Sequence[Native], largest: list[float], buffers: Buffers, out: Bools) -> bool:
        """Mark the weights that may reach a bound.

        Args:
            scores: J + 1 non-negative arrays of shape (n,).
            largest: The largest value of each score.
            buffers: Scratch space for at least n weights.
            out: The result is written here, shape (n,).

        Returns:
            False if this filter cannot be used; `out` is then not written.
        """
        if not self._slopes or not max(largest) * max(self._slopes) < self._limit:
            return False
        size = scores[0].size
        total, scratch = buffers.total[:size], buffers.scratch[:size]
        np.multiply(scores[0], self._slopes[0], out=total)
        for slope, score in zip(self._slopes[1:], scores[1:], strict=True):
            np.multiply(score, slope, out=scratch)
            np.add(total, scratch, out=total)
        np.greater_equal(total, self._bound, out=out)
        return True


class EligibleFilter:
    """Finds the weights that may be kept by any multiplier.

    Args:
        bounds: The bounds.
        dtype: The precision of the scores.
    """

    def __init__(self, bounds: Eligibility, dtype: npt.DTypeLike) -> None:
        info = np.finfo(dtype)
        self._slopes = bounds.slopes.tolist()
        room = 64 * float(info.eps)
        self._bound = bounds.bound - room * float(1.0 + np.abs(bounds.slopes * bounds.low).sum())
        self._edges = (bounds.high - room * np.abs(bounds.high)).tolist()
        self._limit = float(info.max) / 4
        self._usable = all(1 / self._limit < slope < self._limit for slope in self._slopes)

    def mark(
        self, scores: Sequence[Native], lowest: float, largest: list[float], buffers: Buffers, out: Bools
    ) -> bool:
        """Mark the weights that may be kept.

        Args:
            scores: J + 1 arrays of shape (n,).
            lowest: The lowest value of any score.
            largest: The largest magnitude of each score.
            buffers: Scratch space for at least n weights.
            out: The result is written here, shape (n,).

        Returns:
            False if this filter cannot be used; `out` is then not written.
        """
        if not self._usable or not max(largest) * max(self._slopes) < self._limit:
            return False
        size = scores[0].size
        total, scratch, flags = buffers.total[:size], buffers.scratch[:size], buffers.flags[1, :size]
        np.multiply(scores[0], self._slopes[0], out=total)
        for slope, score in zip(self._slopes[1:], scores[1:], strict=True):
            np.multiply(score, slope, out=scratch)
            np.add(total, scratch, out=total)
        np.greater_equal(total, self._bound, out=out)
        if lowest < 0:
            for edge, score in zip(self._edges, scores, strict=True):
                np.greater_equal(score, edge, out=flags)
                np.logical_or(out, flags, out=out)
        return True
