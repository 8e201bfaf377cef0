"""`solve_cops`, the solver's public function."""

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
    start: npt.ArrayLike | None = None,
) -> CopsSolution:
    """Maximise the kept target score while keeping enough of each control score.

        max <m, omega_0>  s.t.  <m, omega_j> >= c_j (j = 1..J),  sum(m) = kappa,  0 <= m <= 1

    rounded to a mask of exactly kappa weights (COPS, arXiv 2107.12673). Weights with higher scores are kept.

    J = 0 and J = 1 are always feasible, and the mask meets its level. For J >= 2 the mask may miss level j by
    floor((J + 1) / 2) times the range of control j over the J + 1 weights that are fractional in the LP.
    Infeasible levels are a status of the solution, not an error.

    Args:
        target: omega_0, a 1-D numpy array or torch tensor of shape (D,), float32 or float64, finite.
        controls: omega_j, J arrays or tensors of the same shape, type and device.
        kappa: The number of kept weights, in [0, D].
        levels: Shape (J,), or a number for one control; see `kind`.
        kind: "relative": levels are alpha_j in [0, 1], c_j = a_j + alpha_j (b_j - a_j), where a_j is the sum
            of control j over the target's own mask and b_j the highest possible sum.
            "absolute": levels are beta_j in [0, 1], c_j = beta_j b_j, for controls without negative values.
            "price": levels are lambda_j >= 0, the multipliers of the scores divided by their absolute sums.
        shrink: Whether infeasible levels are multiplied by the largest t in [0, 1] that makes them feasible.
        layers: The layer index of each weight, in [0, L), shape (D,); None without floors.
        floors: The minimum number of kept weights of each layer, shape (L,), summing to at most kappa.
        start: Multipliers, shape (J,), near which the search begins, e.g. those of a similar problem. They
            only save time: the optimum and the mask are the same. Ignored unless there is one control.

    Returns:
        The mask and its certificate.

    Raises:
        InputError: Wrong input. The message names the score ("control 1" is the first control).
    """
    problem = state_problem(target, controls, kappa, levels, kind, layers, floors, start)
    solution = solve_exact(open_store(problem), shrink)
    if isinstance(target, torch.Tensor):
        return replace(solution, mask=torch.as_tensor(solution.mask))
    return solution
