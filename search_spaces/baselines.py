"""Anchors: the configurations every study begins with, so that each result has a yardstick."""

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


def first_config(space: SearchSpace, seed: int) -> TrialConfig:
    """The space's first random configuration."""
    return space.sample(optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask())


def dense_baseline(first: TrialConfig) -> TrialConfig:
    """The dense anchor, on which the others are built: data, network and epochs of `first`.

    A space is free to vary them; the anchors then keep to those of its first configuration.
    """
    training = first.training.model_copy(update=dict(RECIPE))
    return first.changed(arm="dense", scale=None, selection=None, density=None, training=training)


def baseline_config(base: TrialConfig, parameters: Mapping[str, Any]) -> TrialConfig:
    """The configuration of an anchor, built on `base`; its density is the study's to set."""
    return base.changed(arm=parameters["arm"], selection=Selection(target=parameters["target"]))


def in_space(space: SearchSpace, base: TrialConfig, parameters: Mapping[str, Any]) -> bool:
    """Whether these parameters give the anchor itself when the space is replayed on them.

    Then the sampler can learn from the anchor; otherwise the anchor runs outside its history.
    """
    try:
        return space.sample(FixedTrial(dict(parameters))) == baseline_config(base, parameters)
    except ValueError:  # the space asks for a parameter that is not among them
        return False
