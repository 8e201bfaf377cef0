"""Boxes of weights of the scores, and what a box decides about a single network weight.

A COPS mask is a top-kappa mask of w . omega for some w >= 0, with w = (1, lambda). Only the ratios of w
matter, so w is fixed for one score, the pivot, and varies in a box for the others: a multiplier near
infinity is then simply a small w_0. Over the box, with any constants mu_j,

    sum_j w'_j omega_ij  -  sum_j (w'_j - w_j) mu_j   lies within   s_i - r_i .. s_i + r_i,
    s_i = sum_j w_j omega_ij,   r_i = sum_j radius_j |omega_ij - mu_j|,

and the shift by mu, the same for all i, changes no mask. The thresholds of s + r and of s - r are bounds on
the thresholds over the box. A weight with s_i - r_i above the upper bound is kept for every optimum in the
box, a weight with s_i + r_i below the lower bound is removed. Only the others are undecided.
"""

from dataclasses import dataclass

import numpy as np

from cops_core.cops.solution import Bools, Floats


@dataclass(frozen=True, eq=False)
class Box:
    """Weights w of the scores within `radii` of `weights`.

    Attributes:
        weights: The centre, shape (J + 1,), at least 0.
        radii: Shape (J + 1,), at least 0.
        pivot: The score whose weight is positive and fixed, with radius zero.
    """

    weights: Floats
    radii: Floats
    pivot: int

    def contains(self, weights: Floats) -> bool:
        """Whether the box contains `weights`, shape (J + 1,), up to a common factor."""
        return bool(np.all(np.abs(self._scaled(weights) - self.weights) <= self.radii))

    def distance(self, weights: Floats) -> float:
        """The distance of `weights`, shape (J + 1,), from the centre in radii; at most 1 inside the box."""
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.abs(self._scaled(weights) - self.weights) / self.radii
        return float(np.max(steps, where=self.radii > 0, initial=0.0))

    def ends(self) -> Floats:
        """The corners with the lowest and with the highest weights, at least 0, shape (2, J + 1)."""
        return np.maximum([self.weights - self.radii, self.weights + self.radii], 0.0)

    def positive(self) -> "Box":
        """The box without negative weights, for one control; else this box."""
        if np.all(self.radii <= self.weights) or self.weights.size > 2:
            return self
        lowest, highest = self.ends()
        return Box((lowest + highest) / 2, (highest - lowest) / 2, self.pivot)

    def closer(self, weights: Floats, units: Floats, growth: float) -> "Box":
        """A smaller box around some weights, or around the nearest ones inside this box.

        Args:
            weights: Shape (J + 1,).
            units: The magnitude of each score, shape (J + 1,).
            growth: The factor of the radii, in (0, 1].

        Returns:
            The box.
        """
        lowest = np.maximum(self.weights - self.radii, 0.0)
        near = np.clip(self._scaled(weights), lowest, self.weights + self.radii)
        return Box(near, growth * self.radii, self.pivot).pivoted(units)

    def wider(self, weights: Floats, units: Floats, growth: float) -> "Box":
        """A wider box, moved towards some weights by at most three radii of this box.

        Measured in units, each side is at least a quarter of the widest one, and the widest one is at least a
        millionth of the pivot.

        Args:
            weights: Shape (J + 1,).
            units: The magnitude of each score, shape (J + 1,).
            growth: The factor of the radii, at least 1.

        Returns:
            The box.
        """
        widest = max(float((self.radii * units).max()), 1e-6 * self.weights[self.pivot] * units[self.pivot])
        wide = np.maximum(self.radii, widest / 4 / units)
        wide[self.pivot] = 0.0
        lowest = np.maximum(self.weights - 3.0 * wide, 0.0)
        near = np.clip(self._scaled(weights), lowest, self.weights + 3.0 * wide)
        return Box(near, growth * wide, self.pivot).pivoted(units)

    def _scaled(self, weights: Floats) -> Floats:
        """The weights scaled to the box's pivot; infinite if the pivot's weight is zero."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # a weight of zero: see below
            scaled = weights * (self.weights[self.pivot] / weights[self.pivot])
        scaled = np.where(np.isfinite(scaled), scaled, np.where(weights > 0, np.inf, 0.0))
        if weights[self.pivot] > 0:
            scaled[self.pivot] = self.weights[self.pivot]
        return scaled

    @staticmethod
    def point(weights: Floats) -> "Box":
        """The box that contains only `weights`, shape (J + 1,)."""
        return Box(weights, np.zeros(weights.size), int(np.argmax(weights)))

    def pivoted(self, units: Floats) -> "Box":
        """A box that contains this one, whose pivot is the score with the largest weight, fixed at 1.

        Args:
            units: The magnitude of each score, shape (J + 1,), in which weights are compared.

        Returns:
            The box.
        """
        best = int(np.argmax(self.weights * units))
        fixed = self.weights[best]
        ratios = self.weights / fixed
        radii = (self.radii + ratios * self.radii[best]) / max(fixed - self.radii[best], fixed / 4)
        radii[best] = 0.0
        return Box(ratios, radii, best)


@dataclass(frozen=True, eq=False)
class Cut:
    """A box with guessed bounds on each layer's threshold over it, for one pass over the data.

    Attributes:
        box: The box.
        centres: mu, shape (J + 1,).
        low: Bound on the thresholds of s - r, shape (L,).
        high: Bound on the thresholds of s + r, shape (L,).
        own_low: Shape (L,), true where the lower bound comes from the layer's floor, not from all layers.
        own_high: The same for the upper bound.
        summed: Shape (J + 1,), true for scores whose sums over the kept weights are needed.
    """

    box: Box
    centres: Floats
    low: Floats
    high: Floats
    own_low: Bools
    own_high: Bools
    summed: Bools
