"""From an optimum to a mask, and the proof of how good the mask is.

For every mask m and every lambda >= 0,

    phi(lambda) = max_m' <m', s(lambda)> - lambda . c
                = <m, omega_0> + lambda . slack + (max_m' <m', s(lambda)> - <m, s(lambda)>).

The last term is zero for a best mask of s(lambda). Written this way nothing cancels, and outside the
pool it is zero, because the pass has decided those weights for every lambda in the box.
"""

from dataclasses import dataclass

import numpy as np

from cops_core.cops.bracket import find_ties
from cops_core.cops.levels import own_mask
from cops_core.cops.pool import Pool
from cops_core.cops.rounding import choose_swaps, choose_ties, round_vertex
from cops_core.cops.solution import Bools, Floats, SolverStatus
from cops_core.cops.vertex import PoolOptimum

FRACTIONAL = 1e-9
"""Shares this close to 0 or 1 are whole."""

AGREEMENT = 1e-9
"""The LP's vertex and the dual bound agree to this, relative to the sums they are made of."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """The figures of a `CopsSolution`, for one mask over a pool."""

    multipliers: Floats
    threshold: float
    value: float
    dual_bound: float
    gap: float
    controls: Floats
    levels: Floats
    slacks: Floats


def certify(pool: Pool, mask: Bools, multipliers: Floats, levels: Floats | None) -> Certificate:
    """Prove a mask. levels: c, shape (J,), or None to take what the mask keeps (kind="price")."""
    sums = pool.totals(mask)
    wanted = sums[1:] if levels is None else levels
    slacks = sums[1:] - wanted
    combined = pool.combined(np.concatenate([[1.0], multipliers]))
    best = pool.best_mask(combined)
    beyond = float(combined[best & ~mask].sum() - combined[mask & ~best].sum())
    gap = float(multipliers @ slacks) + max(beyond, 0.0)
    tau, each = pool.thresholds(combined)
    return Certificate(
        multipliers=multipliers,
        threshold=tau if np.isfinite(tau) else float(each.min()),
        value=float(sums[0]),
        dual_bound=float(sums[0]) + gap,
        gap=gap,
        controls=sums[1:],
        levels=wanted,
        slacks=slacks,
    )


def round_one(pool: Pool, answer: PoolOptimum, level: float, most: float) -> Bools:
    """J = 1: of the weights tied at the optimum as few high-control ones as meet the level."""
    if level == most:
        return own_mask(pool, 1)
    ties = find_ties(pool, answer.weights, answer.tolerance)
    target, control = pool.scores
    need = level
    for _ in range(8):
        if pool.layers is not None and pool.floors.any():
            short = need - float(pool.totals(ties.lowest)[1])
            mask = choose_swaps(control, pool.layers, ties.lowest, ties.highest, short)
        else:
            sure = ties.highest & ~ties.tied
            mask = sure.copy()
            short = need - float(pool.totals(sure)[1])
            places = pool.places - int(sure.sum())
            mask[ties.tied] = choose_ties(target[ties.tied], control[ties.tied], places, short)
        missing = level - float(pool.totals(mask)[1])
        if missing <= 0:
            return mask
        need += 2 * missing
    return own_mask(pool, 1)


def round_many(pool: Pool, answer: PoolOptimum, levels: Floats) -> Bools:
    """J >= 2: all whole shares of the vertex, and the best way to round the others."""
    keep = answer.shares > 1 - FRACTIONAL
    between = (answer.shares > FRACTIONAL) & ~keep
    groups = np.full(int(between.sum()), -1)
    if pool.layers is not None:
        sums = np.bincount(pool.layers, weights=answer.shares, minlength=pool.floors.size)
        tight = (pool.floors > 0) & (sums < pool.floors + 0.5)
        groups = np.where(tight[pool.layers], pool.layers, -1)[between]
    base = pool.totals(keep)
    keep[between] = round_vertex(pool.scores[:, between], levels, answer.shares[between], groups, base)
    return keep


def status_of(pool: Pool, answer: PoolOptimum, proof: Certificate) -> SolverStatus:
    """Optimal where the dual bound is the value of the LP's vertex, or where there is no vertex."""
    if not answer.shares.size:
        return "optimal"
    value = float(pool.kept_sums[0, 0] + (pool.scores[0] * answer.shares).sum())
    scale = abs(value) + float(np.abs(pool.kept_sums[0, 0])) + float(proof.multipliers @ np.abs(proof.levels))
    return "optimal" if abs(proof.dual_bound - value) <= AGREEMENT * scale else "iteration_limit"
