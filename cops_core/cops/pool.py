"""The undecided weights of a problem, in memory, with the sums over those already kept."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cops_core.cops.box import Box
from cops_core.cops.selection import best_mask, thresholds
from cops_core.cops.solution import Bools, Floats, Integers
from cops_core.cops.sums import condense, exact_sums, totals

ROOM = 16 * float(np.finfo(np.float64).eps)
"""Rounding of a combined score, relative to the sum of the magnitudes that make it up."""

NEAR = 200
"""Weights around the threshold from which the box's centres are taken."""


@dataclass(frozen=True, eq=False)
class Pool:
    """n weights of which `places` are to be kept, beside those a box has decided.

    positions: shape (n,), ascending, in the parent's numbering. scores: shape (J + 1, n), float64.
    kept_sums: shape (2, J + 1), the sums over the weights already kept, as pairs. layers: shape (n,), or
    None. floors: shape (L,), what is left of them.
    """

    positions: Integers
    scores: Floats
    places: int
    kept_sums: Floats
    layers: Integers | None
    floors: Integers

    @property
    def size(self) -> int:
        """n."""
        return int(self.positions.size)

    @cached_property
    def largest(self) -> Floats:
        """The largest magnitude of each score, shape (J + 1,)."""
        highest, lowest = self.scores.max(axis=1, initial=0.0), self.scores.min(axis=1, initial=0.0)
        return np.asarray(np.maximum(highest, -lowest))

    def combined(self, weights: Floats) -> Floats:
        """w . omega of each weight, shape (n,); equal weights come out equal."""
        return combine(self.scores, weights)

    def room(self, weights: Floats) -> Floats:
        """A bound on the rounding of `combined`, shape (n,)."""
        return ROOM * combine(np.abs(self.scores), np.abs(weights))

    def thresholds(self, values: Floats) -> tuple[float, Floats]:
        """tau and each layer's threshold for one value per weight."""
        return thresholds(values, self.places, self.layers, self.floors)

    def of_layer(self, each: Floats) -> Floats | float:
        """One number per layer as one per weight, or as a scalar where there is one layer."""
        return float(each[0]) if self.layers is None else each[self.layers]

    def best_mask(self, *keys: Floats) -> Bools:
        """The best mask by the first key, ties by the others, then by the lower index."""
        return best_mask(keys, self.places, self.layers, self.floors)

    def totals(self, keep: Bools) -> Floats:
        """The sums of all scores over the kept weights and those in `keep`, shape (J + 1,)."""
        return totals(self.kept_sums, self.scores[:, keep])

    def near(self, box: Box) -> tuple["Pool", Bools]:
        """The weights that `box` leaves undecided, and which of the decided ones are kept, shape (n,).

        Exact: the bounds on the thresholds over the box are computed, not guessed.
        """
        middle = self.combined(box.weights)
        room = self.room(box.weights)
        tau, _ = self.thresholds(middle)
        centres = self.centres(middle, tau)
        radius = spread(self.scores, box.radii, centres)
        room += ROOM * (radius + float(box.radii @ np.abs(centres)))
        radius += room
        _, high = self.thresholds(middle + radius)
        _, low = self.thresholds(middle - radius)
        keep = middle - radius > self.of_layer(outwards(high, 1.0))
        undecided = ~keep & (middle + radius >= self.of_layer(outwards(low, -1.0)))
        return self.part(np.flatnonzero(undecided), keep), keep

    def part(self, members: Integers, keep: Bools) -> "Pool":
        """The pool of `members`, with the weights in `keep`, shape (n,), kept."""
        kept_sums = exact_sums(
            [(self.kept_sums.T, np.zeros(len(self.scores))), condense(self.scores[:, keep])]
        )
        floors = self.floors
        if self.layers is not None:
            kept = np.bincount(self.layers[keep], minlength=floors.size)
            floors = np.maximum(floors - kept, 0)
        return Pool(
            positions=members,
            scores=self.scores[:, members],
            places=self.places - int(keep.sum()),
            kept_sums=kept_sums,
            layers=None if self.layers is None else self.layers[members],
            floors=floors,
        )

    def centres(self, values: Floats, tau: float) -> Floats:
        """mu: the mean scores of the weights around the threshold, shape (J + 1,)."""
        if self.size <= NEAR or not np.isfinite(tau):
            return np.asarray(self.scores.mean(axis=1)) if self.size else np.zeros(len(self.scores))
        near = np.argpartition(np.abs(values - tau), NEAR)[:NEAR]
        return np.asarray(self.scores[:, near].mean(axis=1))


def combine(scores: Floats, weights: Floats) -> Floats:
    """sum_j w_j omega_ij, shape (n,).

    Score by score: a matrix product may round equal weights apart, and waits for its own threads.
    """
    total = weights[0] * scores[0]
    scratch = np.empty_like(total)
    for weight, score in zip(weights[1:].tolist(), scores[1:], strict=True):
        if weight:
            total += np.multiply(score, weight, out=scratch)
    return np.asarray(total)


def spread(scores: Floats, radii: Floats, centres: Floats) -> Floats:
    """r_i = sum_j radius_j |omega_ij - mu_j|, shape (n,)."""
    total = np.zeros(scores.shape[1])
    scratch = np.empty_like(total)
    for radius, centre, score in zip(radii.tolist(), centres.tolist(), scores, strict=True):
        if radius:
            np.subtract(score, centre, out=scratch)
            np.abs(scratch, out=scratch)
            total += np.multiply(scratch, radius, out=scratch)
    return total


def outwards(bounds: Floats, sign: float) -> Floats:
    """Bounds on thresholds, moved by their rounding; infinite ones stay."""
    return np.asarray(bounds + sign * ROOM * np.abs(np.where(np.isfinite(bounds), bounds, 0.0)))
