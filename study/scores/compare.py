"""The comparison of a network's scores, as arrays."""

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
from study.scores.compute import NetworkScores
from study.scores.question import ScoreStudy

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MaskComparison:
    """The masks of S scores at one density, each the top-kappa mask of its score.

    Attributes:
        density: In (0, 1].
        kappa: The number of kept weights.
        hashes: The SHA-256 of each mask.
        overlap: The Jaccard overlaps of the masks, shape (S, S).
        layers: The kept weights of each of L layers, shape (S, L).
        connections: What each mask leaves connected.
        kept: What each mask keeps of each score.
        prices: The price of control, by target and control.
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
        """The expected overlap of two independent masks of this density."""
        return float(self.density / (2 - self.density))


@dataclass(frozen=True, eq=False)
class ScoreComparison:
    """The comparison of S scores of one network.

    Attributes:
        title: The network, the data set and the seed, as text.
        scores: The names of the scores.
        sizes: The number of weights in each of L layers.
        ranks: The rank correlations, shape (S, S).
        densities: The masks at each density.
    """

    title: str
    scores: tuple[str, ...]
    sizes: dict[str, int]
    ranks: Floats
    densities: tuple[MaskComparison, ...]

    @property
    def layer_densities(self) -> list[Floats]:
        """The kept share of each layer, shape (S, L), for each density."""
        sizes = np.array(list(self.sizes.values()))
        return [at.layers / sizes for at in self.densities]


def compare(study: ScoreStudy, network: NetworkScores) -> ScoreComparison:
    """Compare all scores, and their masks at each density."""
    return ScoreComparison(
        title=study.title,
        scores=study.scores,
        sizes={name: shape.numel() for name, shape in network.shapes.items()},
        ranks=rank_correlations(list(network.vectors.values())),
        densities=tuple(
            _at_density(network, density, kappa)
            for density, kappa in zip(study.densities, network.kappas, strict=True)
        ),
    )


def _at_density(network: NetworkScores, density: Decimal, kappa: int) -> MaskComparison:
    vectors = list(network.vectors.values())
    keeps = [top_kappa(vector, kappa) for vector in vectors]
    masks = [unflatten(keep, network.shapes) for keep in keeps]
    sizes = [shape.numel() for shape in network.shapes.values()]
    return MaskComparison(
        density=density,
        kappa=kappa,
        hashes=tuple(mask.sha256() for mask in masks),
        overlap=overlaps(keeps),
        layers=np.array([layer_counts(keep, sizes) for keep in keeps]),
        connections=tuple(_connections(network, mask) for mask in masks),
        kept=kept_scores(vectors, keeps),
        prices={
            (target, control): price_of_control(network.vectors[target], network.vectors[control], kappa)
            for target, control in permutations(network.vectors, 2)
        },
    )


def _connections(network: NetworkScores, mask: Mask) -> Connectivity:
    return connectivity(network.model, network.image_shape, mask)
