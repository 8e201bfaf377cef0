"""Magnitude: large weights are kept."""

from cops_core.scores.gss import GeneralizedSynapticScore

MAGNITUDE = GeneralizedSynapticScore(None, p=0, r=1)
"""omega = |theta|.

Han et al. 2015, "Learning both Weights and Connections for Efficient Neural Networks" (arXiv
1506.02626), here before training: theta are the initial weights.
"""
