"""Accuracy against density: the freezing rate is a continuous parameter."""

from optuna.trial import BaseTrial

from cops_core.config import TrialConfig
from search_spaces.suggest import (
    COMPARED_SCORES,
    suggest_arm,
    suggest_scope,
    suggest_selection,
    suggest_training,
)


def freezing_rates(trial: BaseTrial) -> TrialConfig:
    """Scores, random masks, COPS pairs and both arms, by density: LeNet-300-100 on Fashion-MNIST."""
    return TrialConfig(
        dataset="fashion_mnist",
        model="lenet_300_100",
        arm=suggest_arm(trial),
        selection=suggest_selection(
            trial,
            targets=(*COMPARED_SCORES, "random"),
            scope=suggest_scope(trial),
        ),
        training=suggest_training(trial, epochs=10),
    )
