"""Two or more controls and few weights: the linear program, solved by HiGHS.

    max <m, omega_0>  s.t.  <m, omega_j> >= c_j,  sum(m) = places,  floors,  0 <= m <= 1

or, for the highest feasible levels (`Task.step`), max t with c_j + t d_j instead of c_j, without the target.
A simplex vertex has at most J + 1 fractional weights; its duals are the multipliers.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import OptimizeResult, linprog

from cops_core.cops.pool import Pool
from cops_core.cops.solution import Floats

TOLERANCE = 1e-10
"""HiGHS's primal and dual feasibility tolerances for scores of magnitude one: the smallest it allows."""


BORDER = 1e-10
"""Levels missed by less, relative to their magnitude, are met up to rounding."""


@dataclass(frozen=True, eq=False)
class Task:
    """What must be solved over a pool.

    Attributes:
        levels: c, shape (J,).
        step: d, shape (J,), to find the largest t for which c + t d is feasible; None to find the optimum.
        units: The magnitude of each score, shape (J + 1,).
        rough: The number of weights that may be wrong in the mask; if not 0, do not use the shares.
    """

    levels: Floats
    step: Floats | None
    units: Floats
    rough: int = 0


@dataclass(frozen=True, eq=False)
class PoolOptimum:
    """The optimum over a pool.

    Attributes:
        weights: Shape (J + 1,): (1, lambda); or (0, lambda) if the task has a step or the levels are
            infeasible: lambda are then the Farkas multipliers.
        shares: The optimal m in [0, 1], shape (n,); empty if the weights determine the mask (J = 1) or the
            levels are infeasible.
        state: "stuck" if the search did not succeed.
        tolerance: For ties, see `find_ties`.
    """

    weights: Floats
    shares: Floats
    state: Literal["optimal", "infeasible", "stuck"]
    tolerance: float = 1.0

    def aim(self, weights: Floats, units: Floats) -> Floats:
        """The next weights of a search: this optimum, or, if infeasible, a step in its direction.

        Args:
            weights: The current weights, shape (J + 1,).
            units: The magnitude of each score, shape (J + 1,).

        Returns:
            Shape (J + 1,).
        """
        if self.state == "infeasible":
            return np.asarray(weights / (weights @ units) + self.weights / (self.weights @ units))
        return self.weights


def solve_vertex(pool: Pool, task: Task) -> PoolOptimum:
    """The exact optimum over a pool of up to a few thousand weights.

    Args:
        pool: The undecided weights.
        task: The levels, perhaps with a step.

    Returns:
        The optimum.
    """
    rows = pool.scores / _power(task.units)[:, None]
    need = (task.levels - pool.kept_sums[0, 1:] - pool.kept_sums[1, 1:]) / _power(task.units)[1:]
    nothing = 0 * rows[0]
    if task.step is None:
        result = _program(pool, rows, need, -rows[0], np.zeros((need.size, 0)), np.zeros(0))
    else:
        step = task.step / _power(task.units)[1:]
        step /= np.abs(step).max() or 1.0  # so that the duals, and HiGHS's tolerance for them, are near one
        result = _program(pool, rows, need, nothing, step[:, None], np.array([-1.0]))
    if result.status == 0:
        return _answer(result, pool, task, "optimal")
    if result.status == 2:
        result = _program(pool, rows, need, nothing, -np.eye(need.size), np.ones(need.size))
        if result.status == 0 and result.fun > BORDER * (1.0 + np.abs(need).max()):
            return _answer(result, pool, task, "infeasible")
        if result.status == 0 and task.step is None:
            missed = result.x[pool.size :] + BORDER * (1.0 + np.abs(need))
            result = _program(pool, rows, need - missed, -rows[0], np.zeros((need.size, 0)), np.zeros(0))
            if result.status == 0:
                return _answer(result, pool, task, "optimal")
    return stuck(pool.size, 1.0 / task.units)


def _program(
    pool: Pool, rows: Floats, need: Floats, cost: Floats, extra: Floats, extra_cost: Floats
) -> OptimizeResult:
    """min cost . m + extra_cost . u  s.t.  -rows[1:] m + extra u <= -need; u >= 0, or free if costs < 0."""
    more = extra_cost.size
    layers = np.flatnonzero(pool.floors)
    bound = np.zeros((layers.size, pool.size + more))
    for row, layer in zip(bound, layers.tolist(), strict=True):
        if pool.layers is not None:
            row[: pool.size][pool.layers == layer] = -1.0
    bounds = np.zeros((pool.size + more, 2))
    bounds[: pool.size, 1] = 1.0
    bounds[pool.size :, 0] = np.where(extra_cost < 0, -np.inf, 0.0)
    bounds[pool.size :, 1] = np.inf
    for presolve in (False, True):  # presolving costs more than it saves, but helps if HiGHS does not succeed
        result = linprog(
            np.concatenate([cost, extra_cost]),
            A_ub=np.vstack([np.hstack([-rows[1:], extra]), bound]),
            b_ub=np.concatenate([-need, -pool.floors[layers].astype(np.float64)]),
            A_eq=np.concatenate([np.ones(pool.size), np.zeros(more)])[None],
            b_eq=[pool.places],
            bounds=bounds,
            method="highs-ds",
            options={
                "presolve": presolve,
                "primal_feasibility_tolerance": TOLERANCE,
                "dual_feasibility_tolerance": TOLERANCE,
            },
        )
        if result.status in (0, 2):
            break
    return result


def _answer(
    result: OptimizeResult, pool: Pool, task: Task, state: Literal["optimal", "infeasible"]
) -> PoolOptimum:
    count, scale = task.levels.size, _power(task.units)
    multipliers = np.maximum(-result.ineqlin.marginals[:count], 0.0) / scale[1:]
    if task.step is None and state == "optimal":
        return PoolOptimum(np.append(1.0, scale[0] * multipliers), np.asarray(result.x[: pool.size]), state)
    return PoolOptimum(np.append(0.0, multipliers), np.asarray(result.x[: pool.size]), state)


def stuck(size: int, weights: Floats) -> PoolOptimum:
    """The result if a search does not succeed.

    Args:
        size: n.
        weights: The last weights, shape (J + 1,).

    Returns:
        An optimum with the state "stuck".
    """
    return PoolOptimum(weights, np.zeros(size), "stuck")


def _power(units: Floats) -> Floats:
    """Powers of two near the units; scaling by them is exact."""
    return np.asarray(2.0 ** np.round(np.log2(units)))
