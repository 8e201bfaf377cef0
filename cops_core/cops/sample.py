"""A sample of the weights, and what it tells about the optimum over all weights.

Either a random sample (one weight from each of n equal intervals) or, if a random sample would contain too
few of the kept weights, the tips: every weight that is high in some score. A sample decides nothing: it only
gives a guess, and the passes over all weights confirm or refute it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cops_core.cops.box import Box, Cut
from cops_core.cops.eligible import Eligibility, find_eligibility
from cops_core.cops.levels import Levels, find_levels, own_mask
from cops_core.cops.pool import Pool, combine, spread
from cops_core.cops.problem import ProblemKind
from cops_core.cops.selection import kth_highest, thresholds
from cops_core.cops.solution import Bools, Floats, Integers

SIGMAS = 3.5
"""The number of standard deviations of the sample's noise that a guess allows for."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A sample of the weights.

    Attributes:
        pool: The sampled weights that are relevant, as a smaller problem.
        drawn: The number of sampled weights.
        noisy: Whether this is a random sample; False for the tips of all weights.
        masks: The best mask of each score, each of shape (n,).
        units: The typical magnitude of each score over its best mask, shape (J + 1,).
        bounds: Guessed bounds of the weights that are ever kept, or None.
    """

    pool: Pool
    drawn: int
    noisy: bool
    masks: tuple[Bools, ...]
    units: Floats
    bounds: Eligibility | None

    @property
    def sigmas(self) -> float:
        """The noise to allow for initially: none for the tips."""
        return SIGMAS if self.noisy else 0.0

    @cached_property
    def sums(self) -> list[Floats]:
        """For each score, the sums of all scores over its own best mask, shape (J + 1,)."""
        return [self.pool.totals(mask) for mask in self.masks]

    def levels(self, values: Floats, kind: ProblemKind) -> Levels:
        """The levels as sums over the sample.

        Args:
            values: As the user states them, shape (J,).
            kind: "relative" or "absolute".

        Returns:
            The levels.
        """
        return find_levels(self.sums, values, kind)


def measure(pool: Pool, noisy: bool) -> Sample:
    """A sample with its masks and units.

    Args:
        pool: The sampled weights.
        noisy: Whether this is a random sample.

    Returns:
        The sample.
    """
    drawn, bounds = pool.size, None
    few = len(pool.scores) <= 2
    if few and not pool.floors.any():
        rank = pool.places
        bounds = find_eligibility(list(pool.scores), moved(rank, drawn, SIGMAS) if noisy else rank)
        wider = max(rank * 3 // 2, moved(rank, drawn, 4 * SIGMAS))
        pool = pool.eligible(find_eligibility(list(pool.scores), wider) if noisy else bounds)
    masks = tuple(own_mask(pool, number) for number in range(len(pool.scores)))
    units = np.ones(len(masks))
    for number, (score, mask) in enumerate(zip(pool.scores, masks, strict=True)):
        inside = np.abs(score[mask])
        kept = 0.0
        if inside.size:  # for one control the median: a few large scores do not affect it
            kept = kth_highest(inside, (inside.size + 1) // 2) if few else float(inside.mean())
        units[number] = kept or float(np.abs(score).max(initial=0.0)) or 1.0
    return Sample(pool, drawn, noisy, masks, units, bounds)


def stretches(size: int, count: int) -> Integers:
    """One random position in each of some equal intervals.

    The seed is fixed: the solution does not depend on it, and the same problem takes the same steps.

    Args:
        size: The intervals divide [0, size).
        count: The number of intervals.

    Returns:
        The positions, ascending, shape (count,).
    """
    edges = np.linspace(0, size, count + 1).astype(np.intp)
    draws = np.random.default_rng(0).random(count)
    return np.asarray(edges[:-1] + (draws * np.diff(edges)).astype(np.intp))


def cut_for(sample: Sample, box: Box, sigmas: float, summed: Bools | None = None) -> Cut:
    """A box with guessed bounds on the thresholds over it for all weights, from a sample.

    Args:
        sample: The sample.
        box: The box.
        sigmas: The number of standard deviations of a rank in the sample that the bounds allow for.
        summed: The scores whose sums are needed, shape (J + 1,); None for all.

    Returns:
        The cut for a pass.
    """
    pool = sample.pool
    middle = pool.combined(box.weights)
    tau, _ = pool.thresholds(middle)
    centres = pool.centres(box, middle, tau)
    radius = spread(pool.scores, box.radii, centres)
    high, own_high = _bound(sample, middle + radius, -sigmas)
    low, own_low = _bound(sample, middle - radius, sigmas)
    wanted = np.ones(box.weights.size, dtype=bool) if summed is None else summed
    return Cut(box, centres, low, high, own_low, own_high, wanted)


def useful_bounds(sample: Sample, cuts: Sequence[Cut]) -> Eligibility | None:
    """The sample's bounds of the weights that are ever kept, if a pass gathers fewer weights with them."""
    if sample.bounds is None:
        return None
    scores = sample.pool.scores
    gathered = np.zeros(sample.pool.size, dtype=bool)
    for cut in cuts:
        upper = combine(scores, cut.box.weights) + spread(scores, cut.box.radii, cut.centres)
        gathered |= upper >= cut.low[0]
    some = int(np.count_nonzero(sample.bounds.marks(scores)))
    return sample.bounds if some < int(np.count_nonzero(gathered)) else None


def _bound(sample: Sample, values: Floats, sigmas: float) -> tuple[Floats, Bools]:
    pool = sample.pool
    rank = moved(pool.places, sample.drawn, sigmas)
    floors = pool.floors
    tau = -np.inf
    if rank <= pool.size:
        tau = thresholds(values, max(rank, int(floors.sum())), pool.layers, floors)[0]
    own = np.full(floors.size, np.inf)
    if pool.layers is not None:
        for layer in np.flatnonzero(floors):
            members = values[pool.layers == layer]
            own[layer] = kth_highest(members, moved(int(floors[layer]), members.size, sigmas))
    return np.minimum(own, tau), own < tau


def moved(rank: int, size: int, sigmas: float) -> int:
    """A rank, moved by some standard deviations of its binomial noise.

    Args:
        rank: In [0, size].
        size: The number of weights.
        sigmas: The number of standard deviations, negative towards the highest; 0 changes nothing.

    Returns:
        The new rank, perhaps outside [0, size].
    """
    if not sigmas:
        return rank
    deviation = math.sqrt(max(rank * (1 - rank / max(size, 1)), 1.0))
    return rank + math.ceil(min(max(sigmas * (deviation + 1.0), -2.0 * size - 2), 2.0 * size + 2))


def rough_box(weights: Floats, units: Floats, relative: float) -> Box:
    """A box around some weights, with sides relative to them.

    Args:
        weights: Shape (J + 1,).
        units: The magnitude of each score, shape (J + 1,).
        relative: The radii divided by the weights, or by the smallest weight that would matter if larger.

    Returns:
        The box.
    """
    point = Box.point(weights).pivoted(units)
    radii = relative * np.maximum(point.weights, units[point.pivot] / units / 4)
    radii[point.pivot] = 0.0
    return Box(point.weights, radii, point.pivot)


def box_around(sample: Sample, weights: Floats, values: Floats, kind: ProblemKind) -> Box:
    """A box that should contain the optimum over all weights, from the optimum over the sample.

    Args:
        sample: The sample.
        weights: The sample's optimum, shape (J + 1,).
        values: The levels as the user states them, shape (J,).
        kind: "relative" or "absolute".

    Returns:
        The box.
    """
    if not sample.noisy:
        return rough_box(weights, sample.units, 1e-3)
    rough = rough_box(weights, sample.units, min(SIGMAS / math.sqrt(max(sample.pool.places, 1)), 1.0))
    noise = _noise(sample, weights, values, kind) if weights[0] > 0 else None
    if noise is None:
        return rough
    box = Box(weights / weights[0], np.append(0.0, noise), 0).pivoted(sample.units)
    return Box(box.weights, np.minimum(box.radii, 8 * rough.radii), box.pivot).positive()


def _noise(sample: Sample, weights: Floats, values: Floats, kind: ProblemKind) -> Floats | None:
    """The possible distance of the multipliers for all weights from the sample's, shape (J,).

    The multipliers solve G(lambda) = (sum of omega_j over the best mask) - c_j = 0, so that
    Cov(lambda) = H^-1 Cov(G) H^-1 with H = dG/dlambda = density of s at tau * Cov(omega | s = tau),
    and Cov(G) follows from each weight's influence on the sums and, through the thresholds, on the masks.
    None if all weights near the threshold are tied.
    """
    pool, units = sample.pool, sample.units[1:, None]
    multipliers = weights[1:] / weights[0]
    combined = pool.combined(weights / weights[0])
    best = pool.best_mask(combined)
    wide = min(max(pool.places // 4, 20), 400, pool.size)
    near = _nearest(combined, best, wide)
    width = float(np.ptp(combined[near]))
    if width == 0.0:
        return None
    centre = (pool.scores[1:, near] / units).mean(axis=1, keepdims=True)
    apart = pool.scores[1:, near] / units - centre
    slope = np.einsum("ik,jk->ij", apart, apart) / width
    edge = (pool.scores[1:, _nearest(pool.scores[0], sample.masks[0], wide)] / units).mean(
        axis=1, keepdims=True
    )
    some = np.flatnonzero(np.logical_or.reduce([best, *sample.masks]))
    controls = pool.scores[1:, some] / units
    influence = (controls - centre) * best[some]
    own = (controls - edge) * sample.masks[0][some] if kind == "relative" else np.zeros(controls.shape)
    for number, mask in enumerate(sample.masks[1:]):
        row, level, inside = controls[number], float(values[number]), mask[some]
        lowest = float(row[inside].min()) if inside.any() else 0.0
        influence[number] -= (1 - level) * own[number] + level * (row - lowest) * inside
    noise = np.einsum("ik,jk->ij", influence, influence)
    slack = pool.totals(best)[1:] - sample.levels(values, kind).wanted
    idle = (multipliers == 0) & (slack > SIGMAS * np.sqrt(np.diag(noise)) * units[:, 0])
    radii = np.zeros(multipliers.size)
    active = np.flatnonzero(~idle)
    inverse = np.linalg.pinv(slope[np.ix_(active, active)], rcond=1e-6, hermitian=True)
    deviation = np.sqrt(np.maximum(np.diag(inverse @ noise[np.ix_(active, active)] @ inverse), 0.0))
    radii[active] = SIGMAS * deviation / units[active, 0]
    for mask in sample.masks:
        swaps = int(np.count_nonzero(best & ~mask))
        radii = np.maximum(radii, multipliers * min(1.0, 2.0 / math.sqrt(max(swaps, 1))))
    return radii


def _nearest(values: Floats, mask: Bools, count: int) -> Integers:
    """The `count` weights nearest to the edge of `mask`, a best mask of `values`."""
    edge = float(values[mask].min(initial=np.inf)) if mask.any() else float(values.max())
    distance = np.abs(values - edge)
    return np.argpartition(distance, count - 1)[:count]
