"""Infeasible levels: how far they can be raised, and the best mask there.

The largest t with feasible levels c(t) = start + t step is a linear program with the dual

    min over lambda >= 0, lambda . step = 1 of  (largest <m, lambda . omega>) - lambda . start,

the same search without the target. At that t every feasible m is a best mask of lambda^F . omega:
only weights tied at its thresholds are left to the target. Their optimum has multipliers lambda',
and rho lambda^F + lambda' are multipliers for all weights once rho is large enough.
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
"""Ties of lambda^F . omega, relative to what it is made of: HiGHS's multipliers are that good."""

BACK = (0.0, 1e-10, 1e-8, 1e-6)
"""How far t gives way where rounding leaves nothing feasible at the largest t."""

DOUBLINGS = 200
"""Of rho, until the multipliers are in the box the pass has decided."""


@dataclass(frozen=True, eq=False)
class ShrinkResult:
    """t, the levels there and their optimum over the pool the search found."""

    t: float
    levels: Floats
    answer: PoolOptimum


def farkas_excess(pool: Pool, multipliers: Floats, levels: Floats) -> tuple[float, float]:
    """(largest <m, lambda . omega>) - lambda . levels, and the magnitude of what it is made of."""
    best = pool.best_mask(pool.combined(np.concatenate([[0.0], multipliers])))
    sums = pool.totals(best)[1:]
    return float(multipliers @ (sums - levels)), float(multipliers @ (np.abs(sums) + np.abs(levels)))


def shrink_levels(found: Optimum, levels: Levels, units: Floats) -> ShrinkResult | None:
    """The largest feasible t in [0, 1] and the optimum there; found: the answer of `Search.reach`.

    None where rounding leaves nothing feasible.
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
    """How much of lambda^F it takes to keep every weight on its side of the threshold."""
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
