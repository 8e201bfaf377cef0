"""Do two scores order the weights alike? Spearman's rank correlation of every pair."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]


def rank_correlations(scores: Sequence[Floats]) -> Floats:
    """Spearman's rank correlation of every pair of `scores`, shape (S, S), in [-1, 1].

    scores: S vectors of shape (D,), finite. Equal values share their average rank, which matters:
    weights behind dead pixels have scores that are exactly zero, by the thousand. A score that is
    the same for every weight orders nothing: its row and column are NaN, the diagonal too.

    Each score is ranked once: S sorts and S^2 / 2 inner products.
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
