"""Comparisons of masks: common weights, weights per layer, and how much they keep of other scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

ROUNDING = 1e-12
"""A range smaller than this fraction of its ends is a rounding error, and not used as a scale."""


def overlaps(masks: Sequence[Bools]) -> Floats:
    """The Jaccard overlap |A and B| / |A or B| of every pair of masks.

    Independent masks of density rho overlap by rho / (2 - rho) on average.

    Args:
        masks: S masks of shape (D,).

    Returns:
        Shape (S, S), in [0, 1]; NaN for two masks that keep nothing.
    """
    kept = [int(np.count_nonzero(mask)) for mask in masks]
    result = np.full((len(masks), len(masks)), np.nan)
    for first, mask in enumerate(masks):
        for second in range(first + 1):
            both = int(np.count_nonzero(mask & masks[second]))
            either = kept[first] + kept[second] - both
            if either:
                result[first, second] = result[second, first] = both / either
    return result


def layer_counts(mask: Bools, sizes: Sequence[int]) -> Integers:
    """The number of kept weights of each layer.

    Args:
        mask: Shape (D,).
        sizes: The number of weights of each of the L layers, in order, summing to D.

    Returns:
        Shape (L,).
    """
    stops = [*accumulate(sizes)]
    return np.array(
        [np.count_nonzero(mask[stop - size : stop]) for size, stop in zip(sizes, stops, strict=True)],
        dtype=np.int64,
    )


@dataclass(frozen=True, eq=False)
class KeptScores:
    """What each mask keeps of each score; rows are masks, columns scores.

    Attributes:
        values: <m^i, omega_j>, shape (S, S).
        best: <m^j, omega_j>, shape (S,): the highest possible sum for this number of weights.
        chance: kappa times the mean of omega_j, shape (S,): the average for random masks.
        signed: Whether a score has negative values, shape (S,).
    """

    values: Floats
    best: Floats
    chance: Floats
    signed: Bools

    @property
    def share(self) -> Floats:
        """values / best, shape (S, S), in [0, 1]. NaN for a score with negative values or all zero.

        If positive and negative values cancel, a ratio of sums has no meaning.
        """
        meaningful = ~self.signed & (self.best > 0)
        return np.divide(
            self.values, self.best, out=np.full_like(self.values, np.nan), where=meaningful[None, :]
        )

    @property
    def above_chance(self) -> Floats:
        """(values - chance) / (best - chance), shape (S, S): 1 is the best mask, 0 a random one.

        At most 1, negative if a mask keeps less than a random one. It does not change if a constant is added
        to a score or the score is scaled, so scores of any sign can be compared. NaN if all masks keep the
        same: for a constant score, or masks that keep everything.
        """
        return above_chance(self.values, self.best[None, :], self.chance[None, :])


def kept_scores(scores: Sequence[Floats], masks: Sequence[Bools]) -> KeptScores:
    """What each mask keeps of each score.

    Args:
        scores: S vectors of shape (D,).
        masks: The best mask of each score, shape (D,), all with the same kappa.

    Returns:
        The sums.
    """
    kappa = int(np.count_nonzero(masks[0]))
    # One mask at a time, by its indices: indexing by booleans would search each mask S times.
    values = np.array([[score[places].sum() for score in scores] for places in map(np.flatnonzero, masks)])
    return KeptScores(
        values=values,
        best=np.diag(values).copy(),
        chance=np.array([kappa * score.mean() for score in scores]),
        signed=np.array([score.min() < 0 for score in scores]),
    )


def above_chance(values: Floats, best: Floats | float, chance: Floats | float) -> Floats:
    """(values - chance) / (best - chance).

    Args:
        values: Kept sums.
        best: The highest possible sums, broadcast to `values`.
        chance: The averages for random masks, broadcast to `values`.

    Returns:
        The shape of `values`; NaN where best and chance are equal up to rounding.
    """
    span = np.asarray(best - chance)
    enough = span > ROUNDING * (np.abs(best) + np.abs(chance))
    kept: Floats = np.divide(values - chance, span, out=np.full(np.shape(values), np.nan), where=enough)
    return kept
