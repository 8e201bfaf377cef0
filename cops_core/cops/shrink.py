"""Infeasible levels: the highest feasible ones, and the best mask for them.

The largest t with feasible levels c(t) = start + t step is a linear program, with the dual

    min over lambda >= 0, lambda . step = 1 of  (largest <m, lambda . omega>) - lambda . start,

the same search without the target. At this t every feasible m is a best mask of lambda^F . omega: the target
decides only weights that are tied at its thresholds. Their optimum has multipliers lambda', and
rho lambda^F + lambda' are multipliers for all weights if rho is large enough.
"""

from dataclasses import dataclass

import numpy as np

from cops_core.cops.box import Box
from cops_core.cops.levels import Levels
from cops_core.cops.pool import ROOM, Pool
from cops_core.cops.search import Optimum, solve_pool
from cops_core.cops.solution import Floats
from cops_core.cops.vertex import PoolOptimum, Task

TIED = 1e-9
"""Tolerance for ties of lambda^F . omega, relative to its terms: the accuracy of HiGHS's multipliers."""

BACK = (0.0, 1e-10, 1e-8, 1e-6)
"""How much t is reduced if nothing is feasible at the largest t because of rounding."""

DOUBLINGS = 200
"""The maximum number of doublings of rho, until the multipliers are in the box of the pass."""


@dataclass(frozen=True, eq=False)
class ShrinkResult:
    """The highest feasible levels and their optimum.

    Attributes:
        t: In [0, 1].
        levels: c(t), shape (J,).
        answer: The optimum over the pool that the search found.
    """

    t: float
    levels: Floats
    answer: PoolOptimum


def farkas_excess(pool: Pool, multipliers: Floats, levels: Floats) -> tuple[float, float]:
    """By how much the levels could be exceeded: (largest <m, lambda . omega>) - lambda . levels.

    Args:
        pool: The undecided weights.
        multipliers: lambda, shape (J,), at least 0.
        levels: Shape (J,).

    Returns:
        The excess, negative if the levels are infeasible, and the magnitude of its terms.
    """
    best = pool.best_mask(pool.combined(np.concatenate([[0.0], multipliers])))
    sums = pool.totals(best)[1:]
    return float(multipliers @ (sums - levels)), float(multipliers @ (np.abs(sums) + np.abs(levels)))


def shrink_levels(found: Optimum, levels: Levels, units: Floats) -> ShrinkResult | None:
    """The largest feasible t in [0, 1], and the optimum for its levels.

    Args:
        found: The result of `Search.reach`.
        levels: The levels to shrink.
        units: The magnitude of each score, shape (J + 1,).

    Returns:
        The optimum; None if nothing is feasible because of rounding.
    """
    pool, farkas = found.pool, found.answer.weights
    if found.answer.state != "optimal":
        return None
    reach, _ = farkas_excess(pool, farkas[1:], levels.start)
    t = min(max(reach / float(farkas[1:] @ levels.step), 0.0), 1.0)
    combined = pool.combined(farkas)
    edge = combined - pool.of_layer(pool.thresholds(combined)[1])
    tied = np.abs(edge) <= TIED * (pool.room(farkas) / ROOM + np.abs(combined - edge))
    above = (edge > 0) & ~tied
    face = pool.part(np.flatnonzero(tied), above)
    for back in BACK:
        at = max(t - back, 0.0)
        answer = solve_pool(face, Task(levels.at(at), None, units), None)
        if answer.state == "optimal":
            shares = above.astype(np.float64)
            shares[face.positions] = answer.shares
            multipliers = (
                answer.weights[1:] + _rho(pool, face, answer.weights, edge, found.box, farkas) * farkas[1:]
            )
            return ShrinkResult(
                at, levels.at(at), PoolOptimum(np.append(1.0, multipliers), shares, "optimal")
            )
    return None


def _rho(pool: Pool, face: Pool, weights: Floats, edge: Floats, box: Box | None, farkas: Floats) -> float:
    """The factor of lambda^F that keeps every weight on its side of the threshold."""
    combined = pool.combined(weights)
    each = face.thresholds(combined[face.positions])[1]
    away = np.ones(pool.size, dtype=bool)
    away[face.positions] = False
    dropped = away & (edge < 0)
    each = np.where(np.isfinite(each), each, combined.max(where=dropped, initial=-np.inf))
    beyond = combined - pool.of_layer(each)
    against = away & (((beyond < 0) & (edge > 0)) | ((beyond > 0) & (edge < 0)))
    ratios = np.abs(beyond[against] / edge[against])
    rho = float(ratios.max(initial=0.0)) * (1 + TIED)
    for _ in range(DOUBLINGS):
        if box is None or box.contains(weights + rho * farkas):
            break
        rho = max(2 * rho, TIED / float(farkas[1:].max()))
    return rho
