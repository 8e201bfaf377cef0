"""`initialize`: theta0 from a 32-bit seed, for any network."""

import torch
from torch import nn

from cops_core.errors import InputError, lookup
from cops_core.initialization import INITIALIZATIONS, initial_weight, weights_hash
from cops_core.library.candidates import Patterns, candidates
from cops_core.masked.draws import Draw, note_draw
from cops_core.masked.view import check_plain, places_of_parameters
from cops_core.streams import SEED_RANGE


def initialize(
    model: nn.Module,
    seed: int,
    method: str = "xavier_normal",
    *,
    include: Patterns | None = None,
    exclude: Patterns | None = None,
) -> str:
    """Draw the weights of a network from a seed, in place; all other values stay.

    Each weight has a random stream of its own, derived from (seed, name): on every machine and device, and
    whatever other layers there are, it has the same values. So a file that `save` writes has the seed instead
    of theta0. Biases and other values that the network's code draws come from torch's own generators: call
    `torch.manual_seed` before the network is built.

    Args:
        model: The network, not masked.
        seed: In [0, 2**32).
        method: "xavier_normal", standard deviation sqrt(2 / (fan_in + fan_out)), or "kaiming_normal",
            sqrt(2 / fan_in).
        include: Only these weights, see `candidates`.
        exclude: Not these weights.

    Returns:
        The SHA-256 of the drawn weights.

    Raises:
        InputError: A masked network, a seed out of range, an unknown method, or nothing to draw.
    """
    check_plain(model)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < SEED_RANGE:
        raise InputError(f"seed {seed!r}: write an integer from 0 to 2**32 - 1")
    lookup("initialization", method, INITIALIZATIONS)
    weights = candidates(model, include, exclude).weights
    if not weights:
        raise InputError("the network has no weights to draw: name its parameters in include")
    places = places_of_parameters(model)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(initial_weight(name, weight.shape, seed, method))
            note_draw(places[id(weight)], Draw(name, seed, method))
    return weights_hash(weights)
