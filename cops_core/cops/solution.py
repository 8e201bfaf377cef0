"""What the solver answers: a mask, its prices and the proof of how good it is."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.intp]
MaskVector = Bools | torch.Tensor

SolverStatus = Literal["optimal", "infeasible", "iteration_limit"]
"""optimal: the mask is the rounded LP optimum and `dual_bound` proves it.
infeasible: no fractional mask meets the levels and `farkas` proves it.
iteration_limit: the search stopped early; `dual_bound` is valid but perhaps not the optimum."""


@dataclass(frozen=True, eq=False)
class CopsSolution:
    """The answer to one COPS problem over D weights and J control scores, sums in float64.

    mask: shape (D,), exactly kappa true. A numpy array for numpy scores, a tensor on the scores'
        device for torch scores. If the levels are infeasible it is the target's own mask m^0.
    multipliers: shape (J,), lambda >= 0, the prices of the raw scores. Zeros if infeasible.
    threshold: tau, the kappa-th largest of s(lambda) = omega_0 + sum_j lambda_j omega_j; infinity
        for kappa = 0. With floors: the threshold outside the layers whose floor binds.
    value: <mask, omega_0>.
    dual_bound: phi(lambda) = (largest <m, s(lambda)> of any mask) - lambda . levels, the optimum of
        the linear program where the status is "optimal", minus infinity where it is "infeasible".
    gap: dual_bound - value = sum_j lambda_j slack_j for a top-kappa mask of s(lambda). Negative
        only where rounding fell short of a level (J >= 2).
    controls: shape (J,), <mask, omega_j>.
    levels: shape (J,), c_j as solved (after shrinking). For kind="price" there is no level: these
        are the controls, for which the mask is optimal.
    slacks: shape (J,), controls - levels.
    status: see `SolverStatus`.
    farkas: shape (J,) if infeasible, else None: lambda >= 0 for which even the mask that is best
        for sum_j lambda_j omega_j keeps less of it than lambda . levels.
    shrunk: t in [0, 1], by which shrink=True multiplied the levels; 1 where they were feasible.
    passes: full passes over the data.
    """

    mask: MaskVector
    multipliers: Floats
    threshold: float
    value: float
    dual_bound: float
    gap: float
    controls: Floats
    levels: Floats
    slacks: Floats
    status: SolverStatus
    farkas: Floats | None
    shrunk: float
    passes: int
