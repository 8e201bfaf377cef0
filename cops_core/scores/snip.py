"""SNIP: weights whose removal would change the loss most, to first order, are kept."""

from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.loss import MeanCrossEntropy

SNIP = GeneralizedSynapticScore(MeanCrossEntropy(), p=1, r=1)
"""omega = |dL/dtheta * theta|, L the mean cross-entropy of the batch.

Lee et al. 2019, "SNIP: Single-shot Network Pruning based on Connection Sensitivity" (arXiv
1810.02340): s_j = |g_j| / sum_k |g_k| with g_j = dL/dc_j, the mask c multiplying the weights, at
c = 1. Here without the division, which changes no mask.
"""
