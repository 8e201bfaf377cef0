"""The price of control: the target's kept sum against the controls', over a grid of levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt
import torch

from cops_core.cops.exact import solve_question
from cops_core.cops.levels import find_levels
from cops_core.cops.opening import open_store
from cops_core.cops.problem import ScoreVector, check_levels, state_problem
from cops_core.cops.search import open_search
from cops_core.cops.solution import Floats, SolverStatus
from cops_core.errors import InputError


@dataclass(frozen=True, eq=False)
class CopsPath:
    """The trade-off at P points. Each attribute is that of the points' `CopsSolution`s.

    Attributes:
        grid: The requested levels, shape (P, J).
        values: Shape (P,).
        dual_bounds: Shape (P,).
        controls: Shape (P, J).
        levels: Shape (P, J).
        multipliers: Shape (P, J).
        shrunk: Shape (P,).
        statuses: P of them.
        passes: The number of full passes over the data, for all points together.
    """

    grid: Floats
    values: Floats
    dual_bounds: Floats
    controls: Floats
    levels: Floats
    multipliers: Floats
    shrunk: Floats
    statuses: tuple[SolverStatus, ...]
    passes: int


def cops_path(
    target: ScoreVector,
    controls: Sequence[ScoreVector],
    kappa: SupportsIndex,
    grid: npt.ArrayLike,
    kind: str = "relative",
    shrink: bool = False,
    layers: npt.ArrayLike | torch.Tensor | None = None,
    floors: npt.ArrayLike | None = None,
) -> CopsPath:
    """Solve one problem for a grid of levels, with common passes over the data.

    All points share the first pass, and each starts from the multipliers of the previous one: sort the grid.
    Masks are not returned: use `solve_cops` for the levels of interest.

    Args:
        target: See `solve_cops`.
        controls: See `solve_cops`.
        kappa: See `solve_cops`.
        grid: The levels, shape (P,) for the same level for all controls, or shape (P, J).
        kind: "relative" or "absolute", see `solve_cops`.
        shrink: See `solve_cops`.
        layers: See `solve_cops`.
        floors: See `solve_cops`.

    Returns:
        The trade-off.

    Raises:
        InputError: Wrong input.
    """
    count = len(controls)
    points = _points(grid, count)
    if kind == "price":
        raise InputError('kind "price" has no levels: write kind="relative" or kind="absolute"')
    problem = state_problem(target, controls, kappa, points[0], kind, layers, floors)
    questions = [check_levels(row, count, problem.kind) for row in points]
    store = open_store(problem)
    search = open_search(store, questions, marked=False)
    results = [
        solve_question(search, number, find_levels(search.sums, values, problem.kind), shrink, marked=False)
        for number, values in enumerate(questions)
    ]
    return CopsPath(
        grid=points,
        values=np.array([result.proof.value for result in results]),
        dual_bounds=np.array([result.proof.dual_bound for result in results]),
        controls=np.array([result.proof.controls for result in results]),
        levels=np.array([result.proof.levels for result in results]),
        multipliers=np.array([result.proof.multipliers for result in results]),
        shrunk=np.array([result.shrunk for result in results]),
        statuses=tuple(result.status for result in results),
        passes=store.passes,
    )


def _points(grid: npt.ArrayLike, count: int) -> Floats:
    try:
        points = np.array(grid, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"grid {grid!r} does not consist of numbers: write e.g. [0, 0.5, 1]") from None
    if points.ndim == 1:
        points = np.repeat(points[:, None], count, axis=1)
    if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] != count:
        raise InputError(f"grid has shape {points.shape}: write shape (P,) or (P, {count}) with P >= 1")
    return points
