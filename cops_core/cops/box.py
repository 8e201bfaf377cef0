"""Boxes of weights of the scores, and what a box decides about a single weight.

A COPS mask is a top-kappa mask of w . omega for some w >= 0, with w = (1, lambda). Only the ratios
of w matter, so one score, the pivot, has its w fixed and the others vary in a box around it: a
multiplier near infinity is then just a small w_0. Over the box, with any constants mu_j,

    sum_j w'_j omega_ij  -  sum_j (w'_j - w_j) mu_j   lies within   s_i - r_i .. s_i + r_i,
    s_i = sum_j w_j omega_ij,   r_i = sum_j radius_j |omega_ij - mu_j|,

and the shift by mu, the same for all i, changes no mask. Bounds on the thresholds over the box are
those of s + r and of s - r. A weight with s_i - r_i above the upper one is kept wherever in the box
the optimum is, one with s_i + r_i below the lower one is dropped: only the rest stays undecided.
"""

from dataclasses import dataclass

import numpy as np

from cops_core.cops.solution import Bools, Floats


@dataclass(frozen=True, eq=False)
class Box:
    """Weights within `radii` of `weights`, both of shape (J + 1,).

    pivot: the score whose weight is positive and fixed, with radius zero.
    """

    weights: Floats
    radii: Floats
    pivot: int

    def contains(self, weights: Floats) -> bool:
        """Whether the masks best for `weights` are among those the box speaks about."""
        return bool(np.all(np.abs(self._scaled(weights) - self.weights) <= self.radii))

    def distance(self, weights: Floats) -> float:
        """How far `weights` are from the middle, in radii: at most 1 inside, perhaps infinite."""
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.abs(self._scaled(weights) - self.weights) / self.radii
        return float(np.max(steps, where=self.radii > 0, initial=0.0))

    def closer(self, weights: Floats, units: Floats, growth: float) -> "Box":
        """A box smaller by `growth` around `weights`, or around the nearest weights inside."""
        lowest = np.maximum(self.weights - self.radii, 0.0)
        near = np.clip(self._scaled(weights), lowest, self.weights + self.radii)
        return Box(near, growth * self.radii, self.pivot).pivoted(units)

    def wider(self, weights: Floats, units: Floats, growth: float) -> "Box":
        """A box `growth` >= 1 times as wide, as near to `weights` as three times the old one leads.

        units: shape (J + 1,), the size of each score. In units no side is left below a quarter of
        the widest, nor all of them below a millionth of the pivot.
        """
        widest = max(float((self.radii * units).max()), 1e-6 * self.weights[self.pivot] * units[self.pivot])
        wide = np.maximum(self.radii, widest / 4 / units)
        wide[self.pivot] = 0.0
        lowest = np.maximum(self.weights - 3.0 * wide, 0.0)
        near = np.clip(self._scaled(weights), lowest, self.weights + 3.0 * wide)
        return Box(near, growth * wide, self.pivot).pivoted(units)

    def _scaled(self, weights: Floats) -> Floats:
        """The weights with the pivot's as the box has it; infinite where the pivot has none."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):  # no weight: told apart below
            scaled = weights * (self.weights[self.pivot] / weights[self.pivot])
        scaled = np.where(np.isfinite(scaled), scaled, np.where(weights > 0, np.inf, 0.0))
        if weights[self.pivot] > 0:
            scaled[self.pivot] = self.weights[self.pivot]
        return scaled

    @staticmethod
    def point(weights: Floats) -> "Box":
        """The box of one combined score."""
        return Box(weights, np.zeros(weights.size), int(np.argmax(weights)))

    def pivoted(self, units: Floats) -> "Box":
        """The box around the same masks whose pivot has the largest weight, in `units`, fixed at 1.

        units: shape (J + 1,), the size of each score. The new box holds the old one.
        """
        best = int(np.argmax(self.weights * units))
        fixed = self.weights[best]
        ratios = self.weights / fixed
        radii = (self.radii + ratios * self.radii[best]) / max(fixed - self.radii[best], fixed / 4)
        radii[best] = 0.0
        return Box(ratios, radii, best)


@dataclass(frozen=True, eq=False)
class Cut:
    """A box with guessed bounds on the thresholds of each layer over it: what one pass applies.

    centres: mu, shape (J + 1,). low, high: shape (L,), of s - r and s + r. own_low, own_high:
    shape (L,), true where the bound is that of the layer's floor, not the one all layers share.
    summed: the scores whose sums over the kept weights are wanted, shape (J + 1,).
    """

    box: Box
    centres: Floats
    low: Floats
    high: Floats
    own_low: Bools
    own_high: Bools
    summed: Bools
