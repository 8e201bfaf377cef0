"""Baselines: the configurations that every study runs first, so that its results can be compared."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FixedTrial

from cops_core.config import Selection, Training, TrialConfig
from search_spaces.base import SearchSpace

RECIPE: Mapping[str, float] = {
    "learning_rate": Training().learning_rate,
    "weight_decay": Training().weight_decay,
}

# SNIP pruned and FreezeNet (SNIP frozen), in the parameters of `search_spaces.suggest`.
_SNIP: Mapping[str, Any] = {
    "target": "snip",
    "combine": False,
    "scope": "global",
    **RECIPE,
}
BASELINE_PARAMETERS: tuple[Mapping[str, Any], ...] = (
    {"arm": "prune", **_SNIP},
    {"arm": "freeze", **_SNIP},
)


def dense_baseline(first: TrialConfig) -> TrialConfig:
    """The dense baseline, from which the others are built: data, network and epochs of `first`.

    A space may vary them. The baselines then use those of its first configuration.

    Args:
        first: The space's first configuration.

    Returns:
        `first` with the arm "dense", without selection and density, and with the recipe of `RECIPE`.
    """
    training = first.training.model_copy(update=dict(RECIPE))
    return first.changed(arm="dense", scale=None, selection=None, density=None, training=training)


def baseline_config(base: TrialConfig, parameters: Mapping[str, Any]) -> TrialConfig:
    """The configuration of a baseline with a mask.

    Args:
        base: The dense baseline, see `dense_baseline`.
        parameters: One of `BASELINE_PARAMETERS`.

    Returns:
        `base` with the parameters' arm and target score. The study sets its density.
    """
    return base.changed(arm=parameters["arm"], selection=Selection(target=parameters["target"]))


def in_space(space: SearchSpace, base: TrialConfig, parameters: Mapping[str, Any]) -> bool:
    """Whether the space, replayed with these parameters, gives the baseline itself.

    If so, the sampler receives the baseline's result; if not, the baseline is not in its history.

    Args:
        space: The search space.
        base: The dense baseline, see `dense_baseline`.
        parameters: One of `BASELINE_PARAMETERS`.

    Returns:
        True if the replayed configuration equals `baseline_config(base, parameters)`.
    """
    try:
        return space.sample(FixedTrial(dict(parameters))) == baseline_config(base, parameters)
    except (ValueError, optuna.TrialPruned):  # it has a parameter that is not among them, or prunes them
        return False
