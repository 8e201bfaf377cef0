"""The price of control: what the target keeps against what the controls keep, over a grid of levels."""

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
    """The trade-off at P points, each what `solve_cops` says of its levels.

    grid: shape (P, J), the levels asked for. values, dual_bounds: shape (P,). controls, levels,
    multipliers: shape (P, J). shrunk: shape (P,). statuses: P of them. passes: full passes over the
    data, all together.
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
    """Solve one problem for a whole grid of levels, sharing the passes over the data.

    grid: shape (P,), one level for all controls, or shape (P, J). kind: "relative" or "absolute".
    The other arguments are those of `solve_cops`. All points share the first pass over the data, and
    each starts from the multipliers of the one before: order the grid. Masks are not returned:
    solve for the levels that are wanted.

    Raises InputError on wrong input.
    """
    count = len(controls)
    points = _points(grid, count)
    if kind == "price":
        raise InputError('kind is "price", which has no levels: write "relative" or "absolute"')
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
        raise InputError(f"the grid is {grid!r}: write numbers") from None
    if points.ndim == 1:
        points = np.repeat(points[:, None], count, axis=1)
    if points.ndim != 2 or points.shape[0] == 0 or points.shape[1] != count:
        raise InputError(f"the grid has shape {points.shape}: write shape (P,) or (P, {count}) with P >= 1")
    return points
