"""The exact solver: search, rounding and certificate."""

from dataclasses import dataclass, replace

import numpy as np

from cops_core.cops.certificate import Certificate, certify, round_many, round_one, status_of
from cops_core.cops.levels import Levels, find_levels, own_mask
from cops_core.cops.pool import Pool
from cops_core.cops.problem import CopsProblem
from cops_core.cops.search import Optimum, Search, open_search
from cops_core.cops.shrink import farkas_excess, shrink_levels
from cops_core.cops.solution import Bools, CopsSolution, Floats, MaskVector, SolverStatus
from cops_core.cops.store import Store
from cops_core.cops.vertex import Task

INFEASIBLE = 1e-10
"""Levels missed by less, relative to the magnitude of the sums, are missed because of rounding only."""


@dataclass(frozen=True, eq=False)
class CertifiedMask:
    """A rounded optimum with its certificate.

    Attributes:
        pool: The undecided weights.
        keep: The kept ones of the other weights, shape (D,), if requested.
        mask: The kept ones of the pool, shape (n,).
        proof: The certificate.
        status: See `SolverStatus`.
        farkas: See `CopsSolution`.
        shrunk: See `CopsSolution`.
    """

    pool: Pool
    keep: MaskVector | None
    mask: Bools
    proof: Certificate
    status: SolverStatus
    farkas: Floats | None
    shrunk: float


def solve_exact(store: Store, shrink: bool) -> CopsSolution:
    """Solve the problem of a store.

    Args:
        store: The scores.
        shrink: Whether infeasible levels are shrunk.

    Returns:
        The solution.

    Raises:
        InputError: Wrong values of a score.
    """
    problem = store.problem
    if problem.floors is not None and len(problem.scores) == 1:
        result = _single(store)
    elif problem.kind == "price":
        result = _priced(open_search(store, [], marked=False), problem)
    else:
        search = open_search(store, [problem.levels], marked=True)
        levels = find_levels(search.sums, problem.levels, problem.kind)
        result = solve_question(search, 0, levels, shrink, marked=True)
    assert result.keep is not None
    proof = result.proof
    return CopsSolution(
        mask=store.put(result.keep, result.pool.positions[result.mask]),
        multipliers=proof.multipliers,
        threshold=proof.threshold,
        value=proof.value,
        dual_bound=proof.dual_bound,
        gap=proof.gap,
        controls=proof.controls,
        levels=proof.levels,
        slacks=proof.slacks,
        status=result.status,
        farkas=result.farkas,
        shrunk=result.shrunk,
        passes=store.passes,
    )


def solve_question(
    search: Search, question: int, levels: Levels, shrink: bool, marked: bool
) -> CertifiedMask:
    """Solve one question of a search.

    Args:
        search: The search.
        question: The question's number.
        levels: Its levels.
        shrink: Whether infeasible levels are shrunk.
        marked: Whether the mask over all weights is needed.

    Returns:
        The mask and its certificate.
    """
    if levels.met_by_target:
        return _target_alone(search, levels, "optimal", marked)
    found = search.find(question, Task(levels.wanted, None, search.units))
    if found is None:
        return _target_alone(search, levels, "iteration_limit", marked)
    multipliers = found.answer.weights[1:]
    if found.answer.state == "infeasible":
        excess, magnitude = farkas_excess(found.pool, multipliers, levels.wanted)
        if not shrink and excess < -INFEASIBLE * magnitude:
            return _target_alone(search, levels, "infeasible", marked, multipliers)
        return _shrunk(search, question, levels, shrink, marked)
    if levels.own.size == 1:
        mask = round_one(found.pool, found.answer, float(levels.wanted[0]), float(levels.most[0]))
    else:
        mask = round_many(found.pool, found.answer, levels.wanted)
    proof = certify(found.pool, mask, multipliers, levels.wanted)
    status = status_of(found.pool, found.answer, proof)
    return CertifiedMask(found.pool, found.keep, mask, proof, status, None, 1.0)


def _shrunk(search: Search, question: int, levels: Levels, shrink: bool, marked: bool) -> CertifiedMask:
    """The best mask at the highest feasible levels; without `shrink` these are missed by rounding only."""
    found = search.reach(question, Task(levels.start, levels.step, search.units))
    shrunk = None if found is None else shrink_levels(found, levels, search.units)
    if found is None or shrunk is None:
        if shrink and bool(np.all(levels.own >= levels.start)):
            return _unshrinkable(search, levels, marked)
        return _target_alone(search, levels, "iteration_limit", marked)
    mask = round_many(found.pool, shrunk.answer, shrunk.levels)
    proof = certify(found.pool, mask, shrunk.answer.weights[1:], shrunk.levels)
    status = status_of(found.pool, shrunk.answer, proof)
    return CertifiedMask(found.pool, found.keep, mask, proof, status, None, shrunk.t if shrink else 1.0)


def _unshrinkable(search: Search, levels: Levels, marked: bool) -> CertifiedMask:
    """The target's own mask at t = 0, which it always meets.

    The search for the largest t fails if a control allows no other mask: the target's own is already the best
    one for it, e.g. as the control is proportional to the target. Its multiplier is then unbounded. Without
    ties of that control, no other mask exists and t = 0 is proved; with ties it is not.
    """
    proved = any(
        _only_mask(search, control) for control in np.flatnonzero(levels.own >= levels.most).tolist()
    )
    at_zero = replace(levels, wanted=levels.start)
    found = _target_alone(search, at_zero, "optimal" if proved else "iteration_limit", marked)
    return replace(found, shrunk=0.0)


def _only_mask(search: Search, control: int) -> bool:
    """Whether exactly one mask keeps the most of a control."""
    pool = search.select(np.eye(search.units.size)[control + 1], False).pool
    kept = own_mask(pool, control + 1)
    scores = pool.scores[control + 1]
    return bool(scores[kept].min(initial=np.inf) > scores[~kept].max(initial=-np.inf))


def _target_alone(
    search: Search, levels: Levels, status: SolverStatus, marked: bool, farkas: Floats | None = None
) -> CertifiedMask:
    """The target's own mask, if it meets all levels, or if nothing better is known."""
    found: Optimum = search.select(np.eye(levels.own.size + 1)[0], marked)
    mask = own_mask(found.pool, 0)
    proof = certify(found.pool, mask, np.zeros(levels.own.size), levels.wanted)
    if status == "infeasible":
        proof = replace(proof, dual_bound=-np.inf, gap=-np.inf)
    return CertifiedMask(found.pool, found.keep, mask, proof, status, farkas, 1.0)


def _single(store: Store) -> CertifiedMask:
    """A single score with floors: its best mask is the optimum, without a search."""
    pool = store.everything()
    mask = own_mask(pool, 0)
    value = float(pool.totals(mask)[0])
    tau, each = pool.thresholds(pool.scores[0])
    none = np.zeros(0)
    proof = Certificate(
        multipliers=none,
        threshold=tau if np.isfinite(tau) else float(each.min()),
        value=value,
        dual_bound=value,
        gap=0.0,
        controls=none,
        levels=none,
        slacks=none,
    )
    return CertifiedMask(pool, store.empty_mask(), mask, proof, "optimal", None, 1.0)


def _priced(search: Search, problem: CopsProblem) -> CertifiedMask:
    """kind="price": the multipliers are given, for scores divided by their absolute sums."""
    scale = search.store.absolute_sums()
    scale[scale == 0] = 1.0
    weights = np.append(1.0, problem.levels * scale[0] / scale[1:])
    found = search.select(weights, marked=True)
    mask = found.pool.best_mask(found.pool.combined(weights), *found.pool.scores)
    proof = certify(found.pool, mask, weights[1:], None)
    return CertifiedMask(found.pool, found.keep, mask, proof, "optimal", None, 1.0)
