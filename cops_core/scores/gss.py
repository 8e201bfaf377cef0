"""Generalized synaptic scores: powers of a functional's gradient times powers of the weights."""

import math

import torch
from torch import Tensor

from cops_core.errors import InputError
from cops_core.mask import Scores
from cops_core.scores.base import Score, Traits
from cops_core.scores.functional import Precision, ScalarFunction
from cops_core.scores.network import Weights
from cops_core.scores.problem import Problem
from cops_core.scores.steps import Steps


class GeneralizedSynapticScore(Score):
    """omega = |dF/dtheta|^p * |theta|^r, or signed: omega = dF/dtheta * theta.

    "COPS: Controlled Pruning Before Training Starts" (arXiv 2107.12673), which generalises the synaptic
    saliency dF/dtheta * theta of Tanaka et al. 2020 (arXiv 2006.05467). Final: a score is an instance, not a
    subclass. Powers other than 0 and 1 are computed in float64.

    Args:
        functional: F; None if and only if p = 0, for a score that depends on the weights only.
        p: Power of the gradient, finite and at least 0; 0^p = 0 for p > 0. p and r are not both 0.
        r: Power of the weight, finite and at least 0.
        signed: Whether the score has the sign of the product; requires p = r = 1.
        published_rounds: See `Score`.
        averages_batches: See `Score`.

    Raises:
        InputError: Other arguments.
    """

    def __init__(
        self,
        functional: ScalarFunction | None,
        p: float = 1.0,
        r: float = 1.0,
        signed: bool = False,
        published_rounds: int = 1,
        averages_batches: bool = True,
    ) -> None:
        if not (math.isfinite(p) and math.isfinite(r) and p >= 0 and r >= 0):
            raise InputError(f"powers p = {p}, r = {r}: write finite numbers of at least 0")
        if p == 0 and r == 0:
            raise InputError("p = r = 0 gives all weights the same score: write a positive p or r")
        if signed and not p == r == 1:
            raise InputError(f"a signed score with p = {p}, r = {r}: write p = r = 1")
        if (functional is None) != (p == 0):
            raise InputError(f"p = {p} with functional {functional}: pass a functional if and only if p > 0")
        self.functional = functional
        self.p = p
        self.r = r
        self.signed = signed
        self.published_rounds = published_rounds
        self.averages_batches = averages_batches

    @property
    def traits(self) -> Traits:
        """The functional's; without a functional, of a score that depends on the weights only."""
        functional = self.functional
        own: Precision = "model" if functional is None else functional.precision
        return Traits(
            needs_data=functional is not None and functional.needs_data,
            needs_second_derivative=functional is not None and functional.needs_second_derivative,
            normalisation="unused" if functional is None else functional.normalisation,
            precision="float64" if self._wide else own,
            signed=self.signed,
        )

    def at_temperature(self, temperature: float) -> "GeneralizedSynapticScore | None":
        """The same score of F with another temperature, see `ScalarFunction.at_temperature`."""
        functional = self.functional and self.functional.at_temperature(temperature)
        return self._of(functional)

    def with_steps(self, steps: Steps) -> "GeneralizedSynapticScore | None":
        """The same score of F after other steps, see `ScalarFunction.with_steps`."""
        return self._of(self.functional and self.functional.with_steps(steps))

    def _of(self, functional: ScalarFunction | None) -> "GeneralizedSynapticScore | None":
        """The same score of another F; None if there is none."""
        if functional is None:
            return None
        return GeneralizedSynapticScore(
            functional, self.p, self.r, self.signed, self.published_rounds, self.averages_batches
        )

    def compute(self, problem: Problem) -> Scores:
        """omega per maskable weight, of its shape.

        Raises:
            InputError: A product of powers underflows in float64.
        """
        gradients: Weights = {}
        weights = problem.network.scored
        if self.functional is not None:
            gradients, weights = problem.gradient(self.functional)
        if self._wide:
            return {name: self._powers(name, gradients.get(name), weight) for name, weight in weights.items()}
        if self.p == 0:
            return {name: weight.abs() for name, weight in weights.items()}
        # dF/dtheta * theta = dF/d|theta| * |theta|: where F is one of |theta|, the two signs cancel.
        if self.signed:
            return {name: gradients[name] * weight for name, weight in weights.items()}
        if self.r == 0:
            return {name: gradients[name].abs() for name in weights}
        return {name: (gradients[name] * weight).abs_() for name, weight in weights.items()}

    @property
    def _wide(self) -> bool:
        """Whether powers are computed: in float64, since squares of small gradients underflow in float32."""
        return not {self.p, self.r} <= {0, 1}

    def _powers(self, name: str, gradient: Tensor | None, weight: Tensor) -> Tensor:
        """|dF/dtheta|^p |theta|^r of one parameter, where 0^p = 0 for p > 0."""
        product = torch.ones_like(weight, dtype=torch.float64)
        zero = torch.zeros_like(weight, dtype=torch.bool)
        for factor, exponent in ((gradient, self.p), (weight, self.r)):
            if factor is not None and exponent > 0:
                product *= factor.to(torch.float64, copy=True).abs_().pow_(exponent)
                zero |= factor == 0
        if bool(((product == 0) & ~zero).any()):
            raise InputError(
                f"|dF/dtheta|^{self.p:g} |theta|^{self.r:g} is too small for float64 in {name}:"
                " write smaller powers"
            )
        return product
