"""Ablations: with what every claim about a selection must be compared.

"Pruning Neural Networks at Initialization: Why Are We Missing the Mark?" (Frankle et al. 2021, arXiv
2009.08576): if a mask is as good after its kept weights are shuffled within each layer, or with other
initial values, the selection has only decided how many weights each layer keeps.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from cops_core.config import Ablation
from cops_core.initialization import initial_weight
from cops_core.mask import Mask, top_kappa
from cops_core.streams import derive_seed, stream


def unchanged(mask: Mask, seed: int) -> Mask:
    """No ablation.

    Args:
        mask: The selected mask.
        seed: Not used.

    Returns:
        `mask` itself.
    """
    return mask


def shuffled(mask: Mask, seed: int) -> Mask:
    """The mask with the positions of each layer permuted at random.

    Args:
        mask: The selected mask.
        seed: The trial's, in [0, 2**32).

    Returns:
        A mask that keeps as many weights of each layer as `mask`.
    """
    return _by_layer(
        mask, lambda name, keep: stream(seed, "shuffled mask", name).permutation(keep.reshape(-1))
    )


def at_random(mask: Mask, seed: int) -> Mask:
    """The top weights of a random score in each layer.

    Args:
        mask: The selected mask.
        seed: The trial's, in [0, 2**32).

    Returns:
        A mask that keeps as many weights of each layer as `mask`.
    """
    return _by_layer(
        mask,
        lambda name, keep: top_kappa(
            stream(seed, "random mask", name).random_sample(keep.size), int(keep.sum())
        ),
    )


MASK_ABLATIONS: Mapping[Ablation, Callable[[Mask, int], Mask]] = {
    "none": unchanged,
    "shuffle": shuffled,
    "random": at_random,
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
