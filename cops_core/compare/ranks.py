"""Spearman's rank correlation: do two scores rank the weights in the same order?"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]


def rank_correlations(scores: Sequence[Floats]) -> Floats:
    """Spearman's rank correlation of every pair of scores.

    Equal values have their average rank, which is important: weights of constant pixels have scores that are
    exactly zero, thousands of them. Each score is ranked once: S sorts and S^2 / 2 inner products.

    Args:
        scores: S vectors of shape (D,), finite.

    Returns:
        Shape (S, S), in [-1, 1]. A constant score has no order: its row and column are NaN, also on the
        diagonal.
    """
    ranks = [_centred_ranks(score) for score in scores]
    norms = [np.sqrt(rank @ rank) for rank in ranks]
    result = np.full((len(scores), len(scores)), np.nan)
    for first, rank in enumerate(ranks):
        for second in range(first + 1):
            scale = norms[first] * norms[second]
            if scale > 0:
                product = 1.0 if first == second else np.clip(rank @ ranks[second] / scale, -1.0, 1.0)
                result[first, second] = result[second, first] = product
    return result


def _centred_ranks(score: Floats) -> Floats:
    """Average ranks minus their mean, exact: multiples of one half."""
    ranks: Floats = rankdata(score)
    ranks -= (score.size + 1) / 2
    return ranks
