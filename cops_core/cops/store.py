"""Full passes over all D weights: the only place that touches them all.

A store holds the J + 1 scores where they are (numpy arrays or tensors on a device) and reads them
chunk by chunk, in the precision they have. A pass compares cheaply with a margin that covers the
rounding of that precision, and looks at what is left in float64. What a pass returns does not
depend on the number of threads.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cops_core.cops.box import Cut
from cops_core.cops.pool import ROOM, Pool, combine, outwards, spread
from cops_core.cops.problem import CopsProblem, check_values
from cops_core.cops.solution import Bools, Floats, Integers, MaskVector
from cops_core.cops.sums import exact_sums


@dataclass(frozen=True, eq=False)
class Scan:
    """What one pass of a cut found.

    pool: the undecided weights. valid: whether the guessed bounds of the cut hold, so that the
    decided weights are decided rightly. keep: shape (D,), the weights decided to be kept, where
    it was asked for.
    """

    pool: Pool
    valid: bool
    keep: MaskVector | None


@dataclass(frozen=True, eq=False)
class ScanPart:
    """What one batch of weights contributes to a cut.

    positions, scores, layers: of the undecided weights. kept: shape (L,), how many are decided to be
    kept, and kept_sums, their condensed sums. counts: shape (2, L), see `decide`.
    """

    positions: Integers
    scores: Floats
    layers: Integers | None
    kept: Integers
    kept_sums: Sequence[tuple[Floats, Floats]]
    counts: Integers


class Store(ABC):
    """All weights of one problem. `passes` counts the full passes made so far."""

    def __init__(self, problem: CopsProblem) -> None:
        self.problem = problem
        self.passes = 0

    @abstractmethod
    def fetch(self, positions: Integers) -> Floats:
        """The scores at `positions`, ascending, shape (J + 1, n), float64."""

    @abstractmethod
    def scan(self, cuts: Sequence[Cut], marked: int | None) -> list[Scan]:
        """Apply several cuts in one pass; the one numbered `marked` also marks what it keeps.

        The first pass checks the scores and raises InputError.
        """

    @abstractmethod
    def tips(self, bounds: Floats, highest: bool) -> Integers:
        """The weights with any score at least (at most) its bound, shape (J + 1,), ascending."""

    @abstractmethod
    def absolute_sums(self) -> Floats:
        """sum_i |omega_ji| of each score, shape (J + 1,)."""

    @abstractmethod
    def empty_mask(self) -> MaskVector:
        """A mask without any weight."""

    @abstractmethod
    def put(self, mask: MaskVector, positions: Integers) -> MaskVector:
        """Add `positions` to a mask in place, and return it as the solution's."""

    def everything(self) -> Pool:
        """All weights, undecided; for problems that fit in memory several times over."""
        scores = self.fetch(np.arange(self.problem.size))
        self.passes += 1
        for number, score in enumerate(scores):
            check_values(number, float(score.min()), float(score.max()), self.problem.kind)
        layers, floors = self.problem.layers, self.problem.floors
        return Pool(
            positions=np.arange(self.problem.size),
            scores=scores,
            places=self.problem.kappa,
            kept_sums=np.zeros((2, len(scores))),
            layers=layers,
            floors=np.zeros(1, dtype=np.intp) if floors is None else floors,
        )

    def gather(self, cut: Cut, parts: Sequence[ScanPart], keep: MaskVector | None) -> Scan:
        """Put the chunks of one cut together and check its bounds."""
        kappa = self.problem.kappa
        least = self.problem.floors
        floors = np.zeros(1, dtype=np.intp) if least is None else least
        kept = np.sum([part.kept for part in parts], axis=0)
        above, least_above = kept + np.sum([part.counts for part in parts], axis=0)
        valid = (
            int(np.maximum(floors, above).sum()) <= kappa
            and bool(np.all(above[cut.own_high] <= floors[cut.own_high]))
            and int(np.where(cut.own_low, floors, np.maximum(floors, least_above)).sum()) >= kappa
            and bool(np.all(least_above >= floors))
        )
        layers = [part.layers for part in parts if part.layers is not None]
        pool = Pool(
            positions=np.concatenate([part.positions for part in parts]),
            scores=np.concatenate([part.scores for part in parts], axis=1),
            places=kappa - int(kept.sum()),
            kept_sums=exact_sums([kept_sums for part in parts for kept_sums in part.kept_sums]),
            layers=np.concatenate(layers) if layers else None,
            floors=np.maximum(floors - kept, 0),
        )
        return Scan(pool, valid, keep)


def decide(cut: Cut, scores: Floats, layers: Integers | None) -> tuple[Bools, Bools, Integers]:
    """Which weights `cut` keeps and which it leaves undecided, in float64.

    scores: shape (J + 1, n). Returns two masks of shape (n,), and for the undecided weights of each
    layer, shape (2, L), how many may be above the upper bound and are surely above the lower one.
    """
    box = cut.box
    middle = combine(scores, box.weights)
    radius = spread(scores, box.radii, cut.centres)
    radius += ROOM * (radius + combine(np.abs(scores), box.weights) + float(box.radii @ np.abs(cut.centres)))
    high, low = _of_layer(cut.high, layers), _of_layer(cut.low, layers)
    upper, lower = middle + radius, middle - radius
    keep = lower > _of_layer(outwards(cut.high, 1.0), layers)
    undecided = ~keep & (upper >= _of_layer(outwards(cut.low, -1.0), layers))
    above = count(undecided & (upper > high), layers, cut)
    least_above = count(undecided & (lower >= low), layers, cut)
    return keep, undecided, np.array([above, least_above])


def _of_layer(each: Floats, layers: Integers | None) -> Floats | float:
    return float(each[0]) if layers is None else each[layers]


def count(chosen: Bools, layers: Integers | None, cut: Cut) -> Integers:
    """How many of `chosen` are in each layer, shape (L,)."""
    if layers is None:
        return np.array([np.count_nonzero(chosen)])
    return np.bincount(layers[chosen], minlength=cut.low.size)
