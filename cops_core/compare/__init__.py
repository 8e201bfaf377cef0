"""How scores differ, and what a combination of two scores costs: comparisons without any training."""

from cops_core.compare.masks import KeptScores, kept_scores, layer_counts, overlaps
from cops_core.compare.price import LEVELS, Price, price_of_control
from cops_core.compare.ranks import rank_correlations

__all__ = [
    "LEVELS",
    "KeptScores",
    "Price",
    "kept_scores",
    "layer_counts",
    "overlaps",
    "price_of_control",
    "rank_correlations",
]
