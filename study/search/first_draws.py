"""A space is tried on random draws before a study starts, so that it does not fail in the middle."""

from collections.abc import Callable

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import Trial

from cops_core.config import TrialConfig
from study.search.errors import PrunedDrawError

# A mistake in one of twenty draws is found with a probability of 95 %. They take some milliseconds.
DRAWS = 60


def first_draws(sample: Callable[[Trial], TrialConfig], seed: int) -> list[TrialConfig]:
    """Random configurations of a space, without a density where the study sets it.

    Args:
        sample: Returns the checked configuration of a draw.
        seed: Of the random sampler; the study's, in [0, 2**32).

    Returns:
        At least one configuration, without those that the space prunes.

    Raises:
        InputError: The space fails on a draw, changes a parameter's choices, or prunes every draw.
    """
    study = optuna.create_study(sampler=RandomSampler(seed=seed))
    found: list[TrialConfig] = []
    pruned: PrunedDrawError | None = None
    for _ in range(DRAWS):
        try:
            found.append(sample(study.ask()))
        except PrunedDrawError as error:
            pruned = error
    if not found and pruned is not None:
        raise pruned
    return found
