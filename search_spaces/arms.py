"""All arms: the weights outside the mask are zero, frozen, scaled by a constant, or decay."""

from optuna.trial import BaseTrial

from cops_core.config import TrialConfig
from search_spaces.suggest import suggest_any_arm, suggest_selection, suggest_training


def arms(trial: BaseTrial) -> TrialConfig:
    """Pruned, frozen, any constant in between, or decaying: LeNet-300-100 on Fashion-MNIST."""
    arm, scale = suggest_any_arm(trial)
    return TrialConfig(
        dataset="fashion_mnist",
        model="lenet_300_100",
        arm=arm,
        scale=scale,
        selection=suggest_selection(trial),
        training=suggest_training(trial, epochs=10),
    )
