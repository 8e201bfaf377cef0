"""Full passes over all D weights: only stores read all of them.

A store refers to the J + 1 scores where they are (numpy arrays or tensors on a device) and reads them in
chunks, in their own precision. A pass first compares with a margin that covers the rounding errors of that
precision, and decides the remaining weights in float64. The result does not depend on the number of threads.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cops_core.cops.box import Cut
from cops_core.cops.eligible import Eligibility
from cops_core.cops.pool import ROOM, Pool, combine, outwards, spread
from cops_core.cops.problem import CopsProblem, check_values
from cops_core.cops.solution import Bools, Floats, Integers, MaskVector
from cops_core.cops.sums import exact_sums


@dataclass(frozen=True, eq=False)
class Scan:
    """The result of a pass for one cut.

    Attributes:
        pool: The undecided weights.
        valid: Whether the cut's guessed bounds are correct, so that all decisions are correct.
        keep: The weights that are kept by decision, shape (D,), if requested.
    """

    pool: Pool
    valid: bool
    keep: MaskVector | None


@dataclass(frozen=True, eq=False)
class ScanPart:
    """The contribution of some weights to the scan of a cut.

    Attributes:
        positions: Of the undecided weights, shape (n,).
        scores: Of the undecided weights, shape (J + 1, n).
        layers: Of the undecided weights, shape (n,), or None without floors.
        kept: The number of weights of each layer that are kept by decision, shape (L,).
        kept_sums: Their condensed sums.
        counts: Shape (2, L), see `decide`.
    """

    positions: Integers
    scores: Floats
    layers: Integers | None
    kept: Integers
    kept_sums: Sequence[tuple[Floats, Floats]]
    counts: Integers


class Store(ABC):
    """All weights of one problem.

    Args:
        problem: The problem.

    Attributes:
        problem: The problem.
        passes: The number of full passes so far.
    """

    def __init__(self, problem: CopsProblem) -> None:
        self.problem = problem
        self.passes = 0

    @abstractmethod
    def fetch(self, positions: Integers) -> Floats:
        """The scores at some positions (ascending, shape (n,)), as float64 of shape (J + 1, n)."""

    @abstractmethod
    def scan(self, cuts: Sequence[Cut], marked: int | None, bounds: Eligibility | None = None) -> list[Scan]:
        """Apply several cuts in one pass. The first pass also checks the values of the scores.

        Args:
            cuts: The cuts.
            marked: The number of the cut whose kept weights are marked, or None.
            bounds: Guessed bounds of the weights that are ever kept; the others are left out. None to use the
                cuts alone.

        Returns:
            One scan per cut.

        Raises:
            InputError: Wrong values of a score.
        """

    @abstractmethod
    def tips(self, bounds: Floats, highest: bool) -> Integers:
        """The weights with any score beyond a bound.

        Args:
            bounds: A bound for each score, shape (J + 1,).
            highest: Whether a score must be at least its bound; else at most.

        Returns:
            The positions, ascending.
        """

    @abstractmethod
    def absolute_sums(self) -> Floats:
        """sum_i |omega_ji| of each score, shape (J + 1,)."""

    @abstractmethod
    def empty_mask(self) -> MaskVector:
        """A mask without any weight."""

    @abstractmethod
    def put(self, mask: MaskVector, positions: Integers) -> MaskVector:
        """Add weights to a mask.

        Args:
            mask: Shape (D,), changed in place.
            positions: Of the weights to add.

        Returns:
            The mask.
        """

    def relevant(self) -> Integers:
        """Check the values of the scores, and leave out weights that are certainly never kept.

        Returns:
            The positions of the others, ascending.

        Raises:
            InputError: Wrong values of a score.
        """
        positions = np.arange(self.problem.size)
        for number, score in enumerate(self.fetch(positions)):
            check_values(number, float(score.min()), float(score.max()), self.problem.kind)
        return positions

    def everything(self) -> Pool:
        """The pool of all relevant weights, for problems that fit into memory several times."""
        positions = self.relevant()
        scores = self.fetch(positions)
        self.passes += 1
        layers, floors = self.problem.layers, self.problem.floors
        return Pool(
            positions=positions,
            scores=scores,
            places=self.problem.kappa,
            kept_sums=np.zeros((2, len(scores))),
            layers=layers,
            floors=np.zeros(1, dtype=np.intp) if floors is None else floors,
        )

    def gather(self, cut: Cut, parts: Sequence[ScanPart], keep: MaskVector | None, proved: bool) -> Scan:
        """Combine the chunks of one cut and check its bounds.

        Args:
            cut: The cut.
            parts: The contributions of all weights.
            keep: The marked weights, shape (D,), or None.
            proved: Whether the weights that were left out are never kept.

        Returns:
            The scan.
        """
        kappa = self.problem.kappa
        least = self.problem.floors
        floors = np.zeros(1, dtype=np.intp) if least is None else least
        kept = np.sum([part.kept for part in parts], axis=0)
        above, least_above = kept + np.sum([part.counts for part in parts], axis=0)
        valid = (
            proved
            and int(np.maximum(floors, above).sum()) <= kappa
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
    """Decide weights by a cut, in float64.

    Args:
        cut: The cut.
        scores: Shape (J + 1, n).
        layers: The layer of each weight, shape (n,), or None without floors.

    Returns:
        The kept weights, shape (n,); the undecided ones, shape (n,); and the number of undecided weights of
        each layer that may be above the upper bound, and that are certainly above the lower bound,
        shape (2, L).
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
    """The number of chosen weights of each layer.

    Args:
        chosen: Shape (n,).
        layers: The layer of each weight, shape (n,), or None without floors.
        cut: Gives the number of layers, L.

    Returns:
        Shape (L,).
    """
    if layers is None:
        return np.array([np.count_nonzero(chosen)])
    return np.bincount(layers[chosen], minlength=cut.low.size)
