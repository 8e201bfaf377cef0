"""Everything that `cops scores` says of a network's scores, as arrays."""

from dataclasses import dataclass
from decimal import Decimal
from itertools import permutations

import numpy as np
import numpy.typing as npt

from cops_core.collapse import Connectivity, connectivity
from cops_core.compare import (
    KeptScores,
    Price,
    kept_scores,
    layer_counts,
    overlaps,
    price_of_control,
    rank_correlations,
)
from cops_core.mask import Mask, top_kappa, unflatten
from study.scores.compute import Scored
from study.scores.question import ScoreStudy

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AtDensity:
    """The masks of S scores at one density, each the top-kappa mask of its score.

    overlap: shape (S, S). layers: kept weights, shape (S, L). prices: by target and control.
    """

    density: Decimal
    kappa: int
    hashes: tuple[str, ...]
    overlap: Floats
    layers: npt.NDArray[np.int64]
    connections: tuple[Connectivity, ...]
    kept: KeptScores
    prices: dict[tuple[str, str], Price]

    @property
    def chance_overlap(self) -> float:
        """The overlap of two masks of this density that know nothing of each other, on average."""
        return float(self.density / (2 - self.density))


@dataclass(frozen=True, eq=False)
class Comparison:
    """S scores of one network. sizes: weights of each of L layers. ranks: shape (S, S)."""

    title: str
    scores: tuple[str, ...]
    sizes: dict[str, int]
    ranks: Floats
    densities: tuple[AtDensity, ...]

    @property
    def layer_densities(self) -> list[Floats]:
        """For each density the kept share of each score's layers, shape (S, L)."""
        sizes = np.array(list(self.sizes.values()))
        return [at.layers / sizes for at in self.densities]


def compare(study: ScoreStudy, scored: Scored) -> Comparison:
    """Compare all scores, and their masks at each density."""
    return Comparison(
        title=study.title,
        scores=study.scores,
        sizes={name: shape.numel() for name, shape in scored.shapes.items()},
        ranks=rank_correlations(list(scored.vectors.values())),
        densities=tuple(
            _at_density(scored, density, kappa)
            for density, kappa in zip(study.densities, scored.kappas, strict=True)
        ),
    )


def _at_density(scored: Scored, density: Decimal, kappa: int) -> AtDensity:
    vectors = list(scored.vectors.values())
    keeps = [top_kappa(vector, kappa) for vector in vectors]
    masks = [unflatten(keep, scored.shapes) for keep in keeps]
    sizes = [shape.numel() for shape in scored.shapes.values()]
    return AtDensity(
        density=density,
        kappa=kappa,
        hashes=tuple(mask.sha256() for mask in masks),
        overlap=overlaps(keeps),
        layers=np.array([layer_counts(keep, sizes) for keep in keeps]),
        connections=tuple(_connections(scored, mask) for mask in masks),
        kept=kept_scores(vectors, keeps),
        prices={
            (target, control): price_of_control(scored.vectors[target], scored.vectors[control], kappa)
            for target, control in permutations(scored.vectors, 2)
        },
    )


def _connections(scored: Scored, mask: Mask) -> Connectivity:
    return connectivity(scored.model, scored.image_shape, mask)
