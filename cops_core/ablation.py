"""Ablations: with what every claim about a selection must be compared.

"Pruning Neural Networks at Initialization: Why Are We Missing the Mark?" (Frankle et al. 2021, arXiv
2009.08576): if a mask is as good after its kept weights are shuffled within each layer, or with other
initial values, the selection has only decided how many weights each layer keeps. If it is as good with the
weights of the lowest scores, the scores do not tell which weights matter.
"""

from collections.abc import Callable, Mapping
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from cops_core.config import Ablation
from cops_core.initialization import initial_weight
from cops_core.mask import Mask, top_kappa
from cops_core.streams import derive_seed, stream

Ranking = np.ndarray | None
"""A score of all D weights, shape (D,), if an ablation needs it."""


def unchanged(mask: Mask, seed: int, ranking: Ranking) -> Mask:
    """No ablation.

    Args:
        mask: The selected mask.
        seed: Not used.
        ranking: Not used.

    Returns:
        `mask` itself.
    """
    return mask


def shuffled(mask: Mask, seed: int, ranking: Ranking) -> Mask:
    """The mask with the positions of each layer permuted at random.

    Args:
        mask: The selected mask.
        seed: The trial's, in [0, 2**32).
        ranking: Not used.

    Returns:
        A mask that keeps as many weights of each layer as `mask`.
    """
    return _by_layer(
        mask, lambda name, keep: stream(seed, "shuffled mask", name).permutation(keep.reshape(-1))
    )


def at_random(mask: Mask, seed: int, ranking: Ranking) -> Mask:
    """The top weights of a random score in each layer.

    Args:
        mask: The selected mask.
        seed: The trial's, in [0, 2**32).
        ranking: Not used.

    Returns:
        A mask that keeps as many weights of each layer as `mask`.
    """
    return _by_layer(
        mask,
        lambda name, keep: top_kappa(
            stream(seed, "random mask", name).random_sample(keep.size), int(keep.sum())
        ),
    )


def inverted(mask: Mask, seed: int, ranking: Ranking) -> Mask:
    """The weights with the lowest scores in each layer; of equal ones those with the lower index.

    Args:
        mask: The selected mask.
        seed: Not used.
        ranking: The score of all D weights whose highest were kept.

    Returns:
        A mask that keeps as many weights of each layer as `mask`.

    Raises:
        ValueError: There is no ranking.
    """
    if ranking is None:
        raise ValueError("no ranking: select with ablation='invert'")
    stops = accumulate(keep.numel() for keep in mask.values())
    lowest = dict(zip(mask, np.split(-ranking, list(stops)[:-1]), strict=True))
    return _by_layer(mask, lambda name, keep: top_kappa(lowest[name], int(keep.sum())))


MASK_ABLATIONS: Mapping[Ablation, Callable[[Mask, int, Ranking], Mask]] = {
    "none": unchanged,
    "shuffle": shuffled,
    "random": at_random,
    "invert": inverted,
    "reinitialize": unchanged,
}


def reinitialized(mask: Mask, seed: int, initialization: str) -> dict[str, Tensor]:
    """Other initial values for the kept weights, from the same distribution as theta0.

    Args:
        mask: The selected mask.
        seed: The trial's, in [0, 2**32).
        initialization: A key of `INITIALIZATIONS`.

    Returns:
        Values by parameter name, each of shape (kept,), in ascending order of position. Biases, whose
        initial value is zero for every seed, are left out.
    """
    other = derive_seed(seed, "other initial weights")
    return {
        name: initial_weight(name, keep.shape, other, initialization)[keep]
        for name, keep in mask.items()
        if keep.ndim > 1
    }


def _by_layer(mask: Mask, place: Callable[[str, np.ndarray], np.ndarray]) -> Mask:
    layers = {name: keep.numpy() for name, keep in mask.items()}
    return Mask(
        {
            name: torch.from_numpy(place(name, keep).reshape(keep.shape).copy())
            for name, keep in layers.items()
        }
    )
