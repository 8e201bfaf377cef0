"""Generalized synaptic scores: powers of a functional's gradient times powers of the weights."""

import math

from torch import Tensor

from cops_core.errors import InputError
from cops_core.mask import Scores
from cops_core.scores.base import Score, Traits
from cops_core.scores.problem import Functional, Problem


class GeneralizedSynapticScore(Score):
    """omega = |dF/dtheta|^p * |theta|^r, or signed: omega = dF/dtheta * theta.

    "COPS: Controlled Pruning Before Training Starts" (arXiv 2107.12673), after the synaptic
    saliency dF/dtheta * theta of Tanaka et al. 2020 (arXiv 2006.05467). Final: a score is
    an instance, not a subclass.

    functional: F; None if p = 0, since a score of the weights alone has none.
    p, r: finite and >= 0, not both 0; 0^p = 0 for p > 0. signed: p = r = 1 only.

    Raises InputError for other arguments.
    """

    def __init__(
        self, functional: Functional | None, p: float = 1.0, r: float = 1.0, signed: bool = False
    ) -> None:
        if not (math.isfinite(p) and math.isfinite(r) and p >= 0 and r >= 0):
            raise InputError(f"powers p = {p}, r = {r}: both must be finite and at least 0")
        if p == 0 and r == 0:
            raise InputError("p = r = 0 scores all weights alike: make p or r positive")
        if signed and not p == r == 1:
            raise InputError(f"a signed score has p = r = 1, not p = {p}, r = {r}")
        if (functional is None) != (p == 0):
            raise InputError(f"p = {p} with functional {functional}: give a functional exactly if p > 0")
        self.functional = functional
        self.p = p
        self.r = r
        self.signed = signed

    @property
    def traits(self) -> Traits:
        """Those of the functional; without one, the weights are all there is."""
        functional = self.functional
        return Traits(
            needs_data=functional is not None and functional.needs_data,
            needs_second_derivative=functional is not None and functional.needs_second_derivative,
            normalisation="unused" if functional is None else functional.normalisation,
            precision="model" if functional is None else functional.precision,
            signed=self.signed,
        )

    def compute(self, problem: Problem) -> Scores:
        """omega per maskable weight, of its shape."""
        if self.functional is None:
            weights = problem.network.scored
            return {name: _power(weight, self.r) for name, weight in weights.items()}
        gradients, weights = problem.gradient(self.functional)
        # dF/dtheta * theta = dF/d|theta| * |theta|: where F is one of |theta|, the two signs cancel.
        if self.signed:
            return {name: gradients[name] * weight for name, weight in weights.items()}
        if self.r == 0:
            return {name: _power(gradients[name], self.p) for name in weights}
        if self.p == self.r == 1:  # by far the commonest: fewer passes over memory
            return {name: (gradients[name] * weight).abs_() for name, weight in weights.items()}
        return {
            name: _power(gradients[name], self.p) * _power(weight, self.r) for name, weight in weights.items()
        }


def _power(tensor: Tensor, exponent: float) -> Tensor:
    """|x|^exponent for exponent > 0, where 0^exponent = 0."""
    # Powers of 1 are by far the commonest, and pow is slow.
    return tensor.abs() if exponent == 1 else tensor.abs().pow(exponent)
