"""Gradient: weights to which the loss is most sensitive are kept."""

from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.loss import MeanCrossEntropy

GRADIENT = GeneralizedSynapticScore(MeanCrossEntropy(), p=1, r=0)
"""omega = |dL/dtheta|, L the mean cross-entropy of the batch."""
