"""From an optimum to a mask, and the certificate of the mask's quality.

For every mask m and every lambda >= 0,

    phi(lambda) = max_m' <m', s(lambda)> - lambda . c
                = <m, omega_0> + lambda . slack + (max_m' <m', s(lambda)> - <m, s(lambda)>).

The last term is zero for a best mask of s(lambda). In this form nothing cancels, and weights outside the
pool contribute zero, because the pass has decided them for every lambda in the box.
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
"""Shares this close to 0 or 1 count as whole numbers."""

AGREEMENT = 1e-9
"""Tolerance for the LP's value and the dual bound, relative to the magnitude of their terms."""


@dataclass(frozen=True, eq=False)
class Certificate:
    """The numbers of a `CopsSolution`, for one mask over a pool. See there for each attribute."""

    multipliers: Floats
    threshold: float
    value: float
    dual_bound: float
    gap: float
    controls: Floats
    levels: Floats
    slacks: Floats


def certify(pool: Pool, mask: Bools, multipliers: Floats, levels: Floats | None) -> Certificate:
    """The certificate of a mask.

    Args:
        pool: The undecided weights.
        mask: Which of them are kept, shape (n,).
        multipliers: lambda, shape (J,), at least 0.
        levels: c, shape (J,), or None to use the mask's own sums (kind="price").

    Returns:
        The certificate.
    """
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
    """The mask for one control: of the tied weights as few with a high control as the level needs.

    Args:
        pool: The undecided weights.
        answer: The optimum over the pool.
        level: c.
        most: The highest possible sum of the control.

    Returns:
        The mask, shape (n,).
    """
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
    """The mask for several controls: whole shares of the LP's vertex, and the best rounding of the others.

    Args:
        pool: The undecided weights.
        answer: The optimum over the pool, with shares.
        levels: c, shape (J,).

    Returns:
        The mask, shape (n,).
    """
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
    """The status of a solution.

    Args:
        pool: The undecided weights.
        answer: The optimum over the pool.
        proof: The mask's certificate.

    Returns:
        "optimal" if the dual bound equals the value of the LP's vertex, or if there is no vertex; else
        "iteration_limit".
    """
    if not answer.shares.size:
        return "optimal"
    value = float(pool.kept_sums[0, 0] + (pool.scores[0] * answer.shares).sum())
    scale = abs(value) + float(np.abs(pool.kept_sums[0, 0])) + float(proof.multipliers @ np.abs(proof.levels))
    return "optimal" if abs(proof.dual_bound - value) <= AGREEMENT * scale else "iteration_limit"
