"""`solve_cops`: the one door to the solver."""

from collections.abc import Sequence
from dataclasses import replace
from typing import SupportsIndex

import numpy.typing as npt
import torch

from cops_core.cops.exact import solve_exact
from cops_core.cops.opening import open_store
from cops_core.cops.problem import ScoreVector, state_problem
from cops_core.cops.solution import CopsSolution, Floats


def solve_cops(
    target: ScoreVector,
    controls: Sequence[ScoreVector],
    kappa: SupportsIndex,
    levels: Sequence[float] | Floats | float,
    kind: str = "relative",
    shrink: bool = False,
    layers: npt.ArrayLike | torch.Tensor | None = None,
    floors: npt.ArrayLike | None = None,
) -> CopsSolution:
    """Keep most of the target score while keeping enough of each control score.

        max <m, omega_0>  s.t.  <m, omega_j> >= c_j (j = 1..J),  sum(m) = kappa,  0 <= m <= 1

    rounded to a mask of exactly kappa weights (COPS, arXiv 2107.12673). Higher score = keep.

    target: shape (D,), a 1-D numpy array or torch tensor, float32 or float64, finite.
    controls: J arrays of the same shape, kind and device.
    kappa: the number of kept weights, in [0, D].
    levels: shape (J,). kind="relative": alpha_j in [0, 1], c_j = a_j + alpha_j (b_j - a_j), where
        a_j is what the target's own mask keeps of control j and b_j the most that can be kept.
        kind="absolute": beta_j in [0, 1], c_j = beta_j b_j, for controls without negative values.
        kind="price": lambda_j >= 0, the multipliers of the scores divided by their absolute sums.
    shrink: where the levels are infeasible, use the largest t in [0, 1] for which t times them is not.
    layers, floors: the layer index of each weight, shape (D,), and the least number of kept weights
        of each layer, shape (L,), summing to at most kappa.

    J = 1 and J = 0 are always feasible and the mask meets its level. For J >= 2 the mask may fall
    short of level j by floor((J + 1) / 2) times the range of control j over the J + 1 weights that
    are fractional in the LP. Infeasible levels are a status of the solution, not an error.

    Raises InputError on wrong input, naming the score ("control 1" is the first control).
    """
    problem = state_problem(target, controls, kappa, levels, kind, layers, floors)
    solution = solve_exact(open_store(problem), shrink)
    if isinstance(target, torch.Tensor):
        return replace(solution, mask=torch.as_tensor(solution.mask))
    return solution
