"""The undecided weights of a problem, in memory, with the sums over the weights already kept."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cops_core.cops.box import Box
from cops_core.cops.eligible import Eligibility
from cops_core.cops.selection import best_mask, thresholds
from cops_core.cops.solution import Bools, Floats, Integers
from cops_core.cops.sums import condense, exact_sums, totals

ROOM = 16 * float(np.finfo(np.float64).eps)
"""A bound on the rounding error of a combined score, relative to the sum of its terms' magnitudes."""

NEAR = 200
"""The number of weights around the threshold whose mean is the box's centres."""


@dataclass(frozen=True, eq=False)
class Pool:
    """n undecided weights, of which `places` must be kept.

    Attributes:
        positions: Shape (n,), ascending, in the parent's numbering.
        scores: Shape (J + 1, n), float64.
        places: The number of weights to keep.
        kept_sums: The sums over the weights already kept, and their rounding errors, shape (2, J + 1).
        layers: The layer of each weight, shape (n,), or None without floors.
        floors: The number of weights that each layer must still keep, shape (L,).
    """

    positions: Integers
    scores: Floats
    places: int
    kept_sums: Floats
    layers: Integers | None
    floors: Integers

    @property
    def size(self) -> int:
        """The number of undecided weights, n."""
        return int(self.positions.size)

    @cached_property
    def largest(self) -> Floats:
        """The largest magnitude of each score, shape (J + 1,)."""
        highest, lowest = self.scores.max(axis=1, initial=0.0), self.scores.min(axis=1, initial=0.0)
        return np.asarray(np.maximum(highest, -lowest))

    def combined(self, weights: Floats) -> Floats:
        """w . omega of each weight, shape (n,), for w of shape (J + 1,). Equal scores give equal results."""
        return combine(self.scores, weights)

    def room(self, weights: Floats) -> Floats:
        """A bound on the rounding error of `combined`, shape (n,)."""
        return ROOM * combine(np.abs(self.scores), np.abs(weights))

    def thresholds(self, values: Floats) -> tuple[float, Floats]:
        """tau and each layer's threshold, shape (L,), for one value per weight, shape (n,)."""
        return thresholds(values, self.places, self.layers, self.floors)

    def of_layer(self, each: Floats) -> Floats | float:
        """One number per layer, shape (L,), as one per weight, or as a scalar if there is one layer."""
        return float(each[0]) if self.layers is None else each[self.layers]

    def best_mask(self, *keys: Floats) -> Bools:
        """The best mask by the first key, ties by the other keys, then by the lower index.

        Args:
            *keys: Arrays of shape (n,).

        Returns:
            Shape (n,), exactly `places` true.
        """
        return best_mask(keys, self.places, self.layers, self.floors)

    def totals(self, keep: Bools) -> Floats:
        """The sums of all scores over the kept weights and those in `keep`, shape (J + 1,)."""
        return totals(self.kept_sums, self.scores[:, keep])

    def near(self, box: Box) -> tuple["Pool", Bools]:
        """The weights that a box leaves undecided.

        The result is exact: the bounds on the thresholds over the box are computed, not guessed.

        Args:
            box: Contains the optimum.

        Returns:
            The pool of undecided weights, and the kept ones of the decided weights, shape (n,).
        """
        middle = self.combined(box.weights)
        room = self.room(box.weights)
        tau, _ = self.thresholds(middle)
        centres = self.centres(box, middle, tau)
        radius = spread(self.scores, box.radii, centres)
        room += ROOM * (radius + float(box.radii @ np.abs(centres)))
        radius += room
        _, high = self.thresholds(middle + radius)
        _, low = self.thresholds(middle - radius)
        keep = middle - radius > self.of_layer(outwards(high, 1.0))
        undecided = ~keep & (middle + radius >= self.of_layer(outwards(low, -1.0)))
        return self.part(np.flatnonzero(undecided), keep), keep

    def eligible(self, bounds: Eligibility | None) -> "Pool":
        """The pool without weights that are never kept; this pool if few would leave."""
        if bounds is None or self.floors.any():
            return self
        members = np.flatnonzero(bounds.marks(self.scores))
        return self if 2 * members.size > self.size else self.part(members, np.zeros(self.size, dtype=bool))

    def part(self, members: Integers, keep: Bools) -> "Pool":
        """A smaller pool.

        Args:
            members: Indices of the weights that stay undecided, ascending.
            keep: The weights that are kept, shape (n,).

        Returns:
            The pool of `members`.
        """
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

    def centres(self, box: Box, values: Floats, tau: float) -> Floats:
        """mu: how fast the threshold changes with w, or the mean scores of the weights around the threshold.

        For one control the first follows from the thresholds at the ends of the box, and a few large scores
        around the threshold do not affect it.

        Args:
            box: A box.
            values: The combined score at its centre, shape (n,).
            tau: Its threshold.

        Returns:
            Shape (J + 1,).
        """
        if len(self.scores) == 2 and np.isfinite(tau):
            ends = box.ends()
            change = self.thresholds(self.combined(ends[1]))[0] - self.thresholds(self.combined(ends[0]))[0]
            length = float(np.ptp(ends, axis=0).max())
            if not np.isfinite(change) or length == 0.0:
                return np.zeros(2)
            return np.where(np.arange(2) == box.pivot, 0.0, change / length)
        if self.size <= NEAR or not np.isfinite(tau):
            return np.asarray(self.scores.mean(axis=1)) if self.size else np.zeros(len(self.scores))
        near = np.argpartition(np.abs(values - tau), NEAR)[:NEAR]
        return np.asarray(self.scores[:, near].mean(axis=1))


def combine(scores: Floats, weights: Floats) -> Floats:
    """sum_j w_j omega_ij.

    Computed score by score: a matrix product may give different results for equal scores, and waits for its
    own threads.

    Args:
        scores: omega, shape (J + 1, n).
        weights: w, shape (J + 1,).

    Returns:
        Shape (n,).
    """
    total = weights[0] * scores[0]
    scratch = np.empty_like(total)
    for weight, score in zip(weights[1:].tolist(), scores[1:], strict=True):
        if weight:
            total += np.multiply(score, weight, out=scratch)
    return np.asarray(total)


def spread(scores: Floats, radii: Floats, centres: Floats) -> Floats:
    """r_i = sum_j radius_j |omega_ij - mu_j|.

    Args:
        scores: omega, shape (J + 1, n).
        radii: Shape (J + 1,).
        centres: mu, shape (J + 1,).

    Returns:
        r, shape (n,).
    """
    total = np.zeros(scores.shape[1])
    scratch = np.empty_like(total)
    for radius, centre, score in zip(radii.tolist(), centres.tolist(), scores, strict=True):
        if radius:
            np.subtract(score, centre, out=scratch)
            np.abs(scratch, out=scratch)
            total += np.multiply(scratch, radius, out=scratch)
    return total


def outwards(bounds: Floats, sign: float) -> Floats:
    """Bounds on thresholds, moved by their rounding error; infinite ones do not change.

    Args:
        bounds: Any shape.
        sign: 1 for upper bounds, -1 for lower ones.

    Returns:
        The same shape.
    """
    return np.asarray(bounds + sign * ROOM * np.abs(np.where(np.isfinite(bounds), bounds, 0.0)))
