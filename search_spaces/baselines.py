"""Baselines: the configurations that every study runs first, so that its results can be compared."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FixedTrial

from cops_core.config import Selection, Training, TrialConfig
from cops_core.scores import published_rounds
from search_spaces.base import SearchSpace

# By optimizer; torch's own for AdamW.
RECIPES: Mapping[str, Mapping[str, float]] = {
    "sgd": {"learning_rate": Training().learning_rate, "weight_decay": Training().weight_decay},
    "adamw": {"learning_rate": 1e-3, "weight_decay": 1e-2},
}
# Those that the baselines take from a space's first configuration.
SEARCHED_FIELDS = ("optimizer", "nesterov", "warmup_epochs", "label_smoothing", "max_gradient_norm")

# SNIP pruned and FreezeNet (SNIP frozen), in the parameters of `search_spaces.suggest`.
_SNIP: Mapping[str, Any] = {
    "target": "snip",
    "combine": False,
    "scope": "global",
    "rounds": published_rounds("snip"),
}
BASELINE_PARAMETERS: tuple[Mapping[str, Any], ...] = (
    {"arm": "prune", **_SNIP},
    {"arm": "freeze", **_SNIP},
)


def dense_baseline(first: TrialConfig) -> TrialConfig:
    """The dense baseline, from which the others are built: data, network, epochs and optimizer of `first`.

    A space may vary them. The baselines then use those of its first configuration.

    Args:
        first: The space's first configuration.

    Returns:
        `first` with the arm "dense", without selection and density, and with the recipe of its optimizer.
    """
    training = first.training.model_copy(update=dict(RECIPES[first.training.optimizer]))
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


def space_parameters(base: TrialConfig, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with which a space gives a baseline, if it is in the space.

    Args:
        base: The dense baseline, see `dense_baseline`.
        parameters: One of `BASELINE_PARAMETERS`.

    Returns:
        `parameters`, with the recipe of the base's optimizer, and with the fields of its training that a
        space may search under their own names.
    """
    training = base.training
    searched = {name: getattr(training, name) for name in SEARCHED_FIELDS}
    return {**parameters, **RECIPES[training.optimizer], **searched}


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
        config = space.sample(FixedTrial(space_parameters(base, parameters)))
        return config == baseline_config(base, parameters)
    except (ValueError, optuna.TrialPruned):  # it has a parameter that is not among them, or prunes them
        return False
