"""Do two masks keep the same weights, in the same layers, and what do they keep of other scores?"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

ROUNDING = 1e-12
"""A range smaller than this share of its ends is rounding: nothing can be measured on it."""


def overlaps(masks: Sequence[Bools]) -> Floats:
    """Jaccard overlap |A and B| / |A or B| of every pair, shape (S, S), in [0, 1].

    masks: S of shape (D,). Two masks that keep nothing have no overlap: NaN. Masks of density rho
    that are independent of each other overlap by rho / (2 - rho) on average.
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
    """Kept weights of each layer, shape (L,). sizes: weights of each layer, in order, summing to D."""
    stops = [*accumulate(sizes)]
    return np.array(
        [np.count_nonzero(mask[stop - size : stop]) for size, stop in zip(sizes, stops, strict=True)],
        dtype=np.int64,
    )


@dataclass(frozen=True, eq=False)
class KeptScores:
    """What each mask keeps of each score; rows are masks, columns scores.

    values: shape (S, S), <m^i, omega_j>. best: shape (S,), <m^j, omega_j>, the most that so many
    weights can keep. chance: shape (S,), kappa times the mean of omega_j, what a random mask keeps on
    average.
    """

    values: Floats
    best: Floats
    chance: Floats
    signed: Bools

    @property
    def share(self) -> Floats:
        """values / best, shape (S, S), in [0, 1]. NaN for a score with negative values or all zero.

        Where values cancel, the part that a sum is of another says nothing.
        """
        meaningful = ~self.signed & (self.best > 0)
        return np.divide(
            self.values, self.best, out=np.full_like(self.values, np.nan), where=meaningful[None, :]
        )

    @property
    def above_chance(self) -> Floats:
        """(values - chance) / (best - chance), shape (S, S): 1 is the best mask, 0 a random one.

        At most 1, negative where a mask keeps less than a random one does. Adding a constant to a
        score or scaling it changes nothing, so scores of any sign can be compared. NaN where all masks
        keep the same: a constant score, or a mask that keeps everything.
        """
        return above_chance(self.values, self.best[None, :], self.chance[None, :])


def kept_scores(scores: Sequence[Floats], masks: Sequence[Bools]) -> KeptScores:
    """What each mask keeps of each score.

    scores: S vectors of shape (D,); masks: for each its best mask, all of the same kappa.
    """
    kappa = int(np.count_nonzero(masks[0]))
    # One mask at a time, by its indices: a fancy index by booleans would search each mask S times.
    values = np.array([[score[places].sum() for score in scores] for places in map(np.flatnonzero, masks)])
    return KeptScores(
        values=values,
        best=np.diag(values).copy(),
        chance=np.array([kappa * score.mean() for score in scores]),
        signed=np.array([score.min() < 0 for score in scores]),
    )


def above_chance(values: Floats, best: Floats | float, chance: Floats | float) -> Floats:
    """(values - chance) / (best - chance), NaN where best and chance are the same up to rounding."""
    span = np.asarray(best - chance)
    enough = span > ROUNDING * (np.abs(best) + np.abs(chance))
    kept: Floats = np.divide(values - chance, span, out=np.full(np.shape(values), np.nan), where=enough)
    return kept
