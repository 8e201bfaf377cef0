"""SynFlow: weights that carry much of the flow from input to output are kept. It uses no data."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from cops_core.scores.gss import GeneralizedSynapticScore
from cops_core.scores.isolation import NormalisationMode
from cops_core.scores.network import Network, Weights
from cops_core.scores.problem import Functional, Precision


@dataclass(frozen=True)
class SynapticFlow(Functional):
    """R(theta) = 1' (prod_l |theta^l|) 1: the sum of the outputs of |theta| for one input of ones.

    In float64: R grows with the product of all layers' widths. Normalisation layers are fixed maps
    (eval mode, their own parameters as they are), and biases of maskable layers are zero.
    """

    needs_data: ClassVar[bool] = False
    needs_second_derivative: ClassVar[bool] = False
    of_magnitudes: ClassVar[bool] = True
    precision: ClassVar[Precision] = "float64"

    @property
    def normalisation(self) -> NormalisationMode:
        """Fixed maps."""
        return "eval"

    def value(self, network: Network, weights: Weights, images: Tensor, labels: Tensor) -> Tensor:
        """R at `weights`, which are |theta|; only the images' shape matters. See `Functional.value`."""
        ones = torch.ones((1, *images.shape[1:]), dtype=images.dtype, device=images.device)
        return network.without_biases().logits(weights, ones).sum()


SYNFLOW = GeneralizedSynapticScore(SynapticFlow(), p=1, r=1)
"""omega = |dR/dtheta| * |theta|.

Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving synaptic
flow" (arXiv 2006.05467): S = dR/dtheta * theta, never negative. Designed for about 100 rounds: in one shot
it removes whole layers.
"""
