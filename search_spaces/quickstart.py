"""The first study of a new user: a few seconds per trial, no download."""

from decimal import Decimal

from optuna.trial import BaseTrial

from cops_core.config import TrialConfig
from search_spaces.suggest import suggest_arm, suggest_selection, suggest_training


def quickstart(trial: BaseTrial) -> TrialConfig:
    """Scores, COPS pairs and both arms for LeNet-300-100 on scikit-learn's digits."""
    return TrialConfig(
        dataset="digits",
        validation_fraction=Decimal("0.2"),
        model="lenet_300_100",
        arm=suggest_arm(trial),
        selection=suggest_selection(trial),
        training=suggest_training(trial, epochs=30),
    )
