"""The solver's result: a mask, its multipliers, and a certificate of its quality."""

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
    """The solution of one COPS problem over D weights and J control scores, with sums in float64.

    Attributes:
        mask: Shape (D,), exactly kappa true. A numpy array for numpy scores, a tensor on the scores' device
            for torch scores. If the levels are infeasible it is the target's own mask m^0.
        multipliers: lambda >= 0, the prices of the raw scores, shape (J,). Zeros if infeasible.
        threshold: tau, the kappa-th largest of s(lambda) = omega_0 + sum_j lambda_j omega_j; infinity for
            kappa = 0. With floors: the threshold outside the layers whose floor is active.
        value: <mask, omega_0>.
        dual_bound: phi(lambda) = (largest <m, s(lambda)> of any mask) - lambda . levels: the optimum of the
            linear program if the status is "optimal", minus infinity if it is "infeasible".
        gap: dual_bound - value = sum_j lambda_j slack_j for a top-kappa mask of s(lambda). Negative only if
            rounding misses a level (J >= 2).
        controls: <mask, omega_j>, shape (J,).
        levels: c_j as solved (after shrinking), shape (J,). kind="price" has no levels: these are then the
            controls, for which the mask is optimal.
        slacks: controls - levels, shape (J,).
        status: See `SolverStatus`.
        farkas: Shape (J,) if infeasible, else None: lambda >= 0 for which even the best mask for
            sum_j lambda_j omega_j keeps less of it than lambda . levels.
        shrunk: t in [0, 1], by which shrink=True multiplied the levels; 1 if they were feasible.
        passes: The number of full passes over the data.
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
