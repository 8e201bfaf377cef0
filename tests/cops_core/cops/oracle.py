"""The plain solver, slow and obviously right: sorts over all weights, HiGHS for two controls or more."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeResult, linprog

from cops_core.cops.problem import CopsProblem
from cops_core.cops.rounding import choose_swaps, choose_ties, round_vertex
from cops_core.cops.solution import Bools, CopsSolution, Floats, Integers, SolverStatus

TIE = 8 * float(np.finfo(np.float64).eps)
"""|s_i - tau| up to this times (|tau| + |omega_0| + sum_j lambda_j |omega_j|) is a tie."""

FRACTIONAL = 1e-9
"""Vertex entries this close to 0 or 1 are whole."""


@dataclass(frozen=True)
class Plain:
    """A problem with all scores in one float64 array of shape (J + 1, D)."""

    scores: Floats
    kappa: int
    layers: Integers
    floors: Integers

    def best_mask(self, *keys: Floats) -> Bools:
        """The best mask by the first key, ties by the other keys, then by the lower index."""
        order = np.lexsort([-key for key in reversed(keys)])
        keep = np.zeros(order.size, dtype=bool)
        for layer, floor in enumerate(self.floors):
            keep[order[self.layers[order] == layer][:floor]] = True
        others = order[~keep[order]]
        keep[others[: self.kappa - int(self.floors.sum())]] = True
        return keep

    def combined(self, multipliers: Floats) -> Floats:
        """s(lambda), shape (D,)."""
        return np.asarray(self.scores[0] + multipliers @ self.scores[1:])

    def thresholds(self, combined: Floats) -> tuple[float, Floats]:
        """tau, and the threshold of each layer: lower where its floor binds."""
        keep = self.best_mask(combined)
        kept = np.bincount(self.layers[keep], minlength=self.floors.size)
        free = combined[keep & (kept > self.floors)[self.layers]]
        tau = float(free.min()) if free.size else np.inf
        each = np.full(self.floors.size, tau)
        np.minimum.at(each, self.layers[keep], combined[keep])
        return tau, each

    def levelled(self, multipliers: Floats) -> tuple[Floats, Bools]:
        """s(lambda) with ties made equal, and which weights are tied at their threshold."""
        combined = self.combined(multipliers)
        tau, each = self.thresholds(combined)
        room = TIE * (np.abs(self.scores[0]) + multipliers @ np.abs(self.scores[1:]))
        if np.isfinite(tau):
            each[np.abs(each - tau) <= TIE * (np.abs(each) + abs(tau))] = tau
        near = each[self.layers]
        tied = np.abs(combined - near) <= room + TIE * np.abs(near)
        return np.where(tied, near, combined), tied


def solve_plain(problem: CopsProblem, shrink: bool) -> CopsSolution:
    """Solve a problem whose scores are numpy arrays with checked values."""
    scores = np.array(problem.scores, dtype=np.float64)
    layers = np.zeros(problem.size, dtype=np.intp) if problem.layers is None else problem.layers
    floors = np.zeros(1, dtype=np.intp) if problem.floors is None else problem.floors
    plain = Plain(scores, problem.kappa, layers, floors)
    count = len(scores) - 1
    if problem.kind == "price":
        scale = np.abs(scores).sum(axis=1)
        scale[scale == 0] = 1.0
        prices = problem.levels * scale[0] / scale[1:]
        keep = plain.best_mask(plain.combined(prices), *scores)
        return solution(plain, keep, prices, scores[1:, keep].sum(axis=1), "optimal")
    own = plain.best_mask(*scores)
    others = [plain.best_mask(scores[j], *scores) for j in range(1, count + 1)]
    held = scores[1:, own].sum(axis=1)
    most = np.array([scores[j, keep].sum() for j, keep in enumerate(others, start=1)])
    start = np.zeros(count) if problem.kind == "absolute" else held
    step = problem.levels * (most - start)
    levels = np.where(problem.levels == 1, most, np.clip(start + step, np.minimum(start, most), most))
    if np.all(held >= levels):
        return solution(plain, own, np.zeros(count), levels, "optimal")
    if count == 1:
        keep, price, status = one_control(plain, own, others[0], float(levels[0]))
        return solution(plain, keep, np.array([price]), levels, status)
    return many_controls(plain, own, start, step, levels, shrink)


def solution(
    plain: Plain,
    keep: Bools,
    multipliers: Floats,
    levels: Floats,
    status: SolverStatus,
    farkas: Floats | None = None,
    shrunk: float = 1.0,
) -> CopsSolution:
    """Certify a mask: dual_bound = value + lambda . slack + what the best mask of s(lambda) adds."""
    values = plain.scores[:, keep].sum(axis=1)
    slacks = values[1:] - levels
    combined = plain.combined(multipliers)
    best = plain.best_mask(combined)
    beyond = float(combined[best & ~keep].sum() - combined[keep & ~best].sum())
    gap = -np.inf if status == "infeasible" else float(multipliers @ slacks) + beyond
    tau, each = plain.thresholds(combined)
    return CopsSolution(
        mask=keep,
        multipliers=multipliers,
        threshold=tau if np.isfinite(tau) else float(each.min()),
        value=float(values[0]),
        dual_bound=float(values[0]) + gap,
        gap=gap,
        controls=values[1:],
        levels=levels,
        slacks=slacks,
        status=status,
        farkas=farkas,
        shrunk=shrunk,
        passes=0,
    )


def one_control(plain: Plain, low: Bools, high: Bools, level: float) -> tuple[Bools, float, SolverStatus]:
    """Bracket lambda by halving and by the crossing of phi's two lines, until both agree.

    low, high: the best masks of target and control; the first misses the level, the other meets it.
    """
    most = high
    target, control = plain.scores
    left, right = 0.0, np.inf
    for step in range(300):
        swapped = low != high
        sign = np.where(low[swapped], 1.0, -1.0)
        price = -float(sign @ target[swapped]) / float(sign @ control[swapped])
        if step % 2 and right < np.inf:
            price = right / 2 if left == 0.0 else float(np.sqrt(left) * np.sqrt(right))
        combined, tied = plain.levelled(np.array([price]))
        highest = plain.best_mask(combined, control, target)
        lowest = plain.best_mask(combined, -control, target)
        if control[most].sum() == level and control[highest].sum() >= level:
            return most, price, "optimal"
        if control[highest].sum() < level:
            low, left = highest, price
        elif control[lowest].sum() > level:
            high, right = lowest, price
        elif plain.floors.any():
            short = level - float(control[lowest].sum())
            return choose_swaps(control, plain.layers, lowest, highest, short), price, "optimal"
        else:
            sure = highest & ~tied
            need = level - float(control[sure].sum())
            keep = sure.copy()
            keep[tied] = choose_ties(target[tied], control[tied], plain.kappa - int(sure.sum()), need)
            return keep, price, "optimal"
    return most, price, "iteration_limit"


def many_controls(
    plain: Plain, own: Bools, start: Floats, step: Floats, levels: Floats, shrink: bool
) -> CopsSolution:
    """Two controls or more: HiGHS, and on infeasible levels the farthest reachable ones."""
    scale = np.array([2.0 ** -np.frexp(np.abs(row).max() or 1.0)[1] for row in plain.scores])
    answer = _vertex(plain, scale, levels)
    shrunk = 1.0
    if answer.status == 2:
        shrunk, farkas = _reach(plain, scale, start, step)
        if shrunk < 1 and not shrink:
            return solution(plain, own, np.zeros(levels.size), levels, "infeasible", farkas, 1.0)
        levels = start + shrunk * step
        answer = _vertex(plain, scale, levels)
    if answer.status != 0:
        return solution(plain, own, np.zeros(levels.size), levels, "iteration_limit", None, shrunk)
    prices = np.maximum(-answer.ineqlin.marginals[: levels.size], 0.0) * scale[1:] / scale[0]
    keep = _rounded(plain, np.asarray(answer.x), levels)
    return solution(plain, keep, prices, levels, "optimal", None, shrunk)


def _vertex(plain: Plain, scale: Floats, levels: Floats) -> OptimizeResult:
    scaled = plain.scores * scale[:, None]
    bound = [plain.layers == layer for layer in np.flatnonzero(plain.floors)]
    floors = plain.floors[plain.floors > 0]
    return linprog(
        -scaled[0],
        A_ub=np.vstack([-scaled[1:], *(-inside.astype(np.float64) for inside in bound)]),
        b_ub=np.concatenate([-levels * scale[1:], -floors.astype(np.float64)]),
        A_eq=np.ones((1, scaled.shape[1])),
        b_eq=[plain.kappa],
        bounds=(0, 1),
        method="highs-ds",
    )


def _reach(plain: Plain, scale: Floats, start: Floats, step: Floats) -> tuple[float, Floats]:
    """The largest t in [0, 1] with feasible levels start + t step, and the multipliers that prove it."""
    scaled = plain.scores * scale[:, None]
    count = step.size
    bound = [plain.layers == layer for layer in np.flatnonzero(plain.floors)]
    rows = np.vstack([-scaled[1:], *(-inside.astype(np.float64) for inside in bound)])
    moved = np.concatenate([step * scale[1:], np.zeros(len(bound))])
    answer = linprog(
        np.append(np.zeros(scaled.shape[1]), -1.0),
        A_ub=np.column_stack([rows, moved]),
        b_ub=np.concatenate([-start * scale[1:], -plain.floors[plain.floors > 0].astype(np.float64)]),
        A_eq=np.append(np.ones(scaled.shape[1]), 0.0)[None],
        b_eq=[plain.kappa],
        bounds=[(0, 1)] * scaled.shape[1] + [(0, None)],
        method="highs-ds",
    )
    farkas = np.maximum(-answer.ineqlin.marginals[:count], 0.0) * scale[1:]
    best = plain.best_mask(farkas @ plain.scores[1:])
    t = float(farkas @ (plain.scores[1:, best].sum(axis=1) - start)) / float(farkas @ step)
    return min(max(t, 0.0), 1.0), farkas


def _rounded(plain: Plain, shares: Floats, levels: Floats) -> Bools:
    keep = shares > 1 - FRACTIONAL
    between = (shares > FRACTIONAL) & ~keep
    sums = np.bincount(plain.layers, weights=shares, minlength=plain.floors.size)
    tight = (plain.floors > 0) & (sums < plain.floors + 0.5)
    groups = np.where(tight[plain.layers], plain.layers, -1)[between]
    base = plain.scores[:, keep].sum(axis=1)
    keep[between] = round_vertex(plain.scores[:, between], levels, shares[between], groups, base)
    return keep
